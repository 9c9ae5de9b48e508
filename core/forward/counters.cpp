#include "core/forward/counters.h"

namespace rove {

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::UnknownType: return "unknown_type";
    case DropReason::Malformed: return "malformed";
    case DropReason::BadLane: return "bad_lane";
    case DropReason::UnknownSession: return "unknown_session";
    case DropReason::SessionExpired: return "session_expired";
    case DropReason::Undecryptable: return "undecryptable";
    case DropReason::Replayed: return "replayed";
    case DropReason::BadFrame: return "bad_frame";
    case DropReason::SpoofedSource: return "spoofed_source";
    case DropReason::BadForward: return "bad_forward";
    case DropReason::TooManyHops: return "too_many_hops";
    case DropReason::NoSession: return "no_session";
    case DropReason::EventsFull: return "events_full";
    case DropReason::Misdirected: return "misdirected";
    case DropReason::BadMarker: return "bad_marker";
    case DropReason::Returned: return "returned";
    case DropReason::Muted: return "muted";
    case DropReason::NoPort: return "no_port";
  }
  return "unknown";
}

}  // namespace rove
