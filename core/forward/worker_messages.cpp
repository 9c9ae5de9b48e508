#include "core/forward/worker_messages.h"

#include "core/base/check.h"
#include "core/wire/ethernet.h"
#include "core/wire/shard.h"

namespace rove {
namespace {

struct ShardOf {
  // One that is too short for a frame is anybody's, to be dropped.
  static unsigned of_frame(BytesView frame) { return frame.size() < kEthernetHeaderSize ? 0 : shard_of_frame(frame); }

  unsigned operator()(const NewSnapshot& /*command*/) const {
    ROVE_CHECK(false);
    return 0;
  }
  unsigned operator()(const SendFrame& command) const { return of_frame(command.frame); }
  unsigned operator()(const WriteFrame& command) const { return of_frame(command.frame); }
  unsigned operator()(const SendMarker& command) const { return shard_of(command.marker.vm); }
  unsigned operator()(const EndHold& command) const { return shard_of(command.vm); }
  unsigned operator()(const Echo& command) const { return shard_of(command.vm); }
};

}  // namespace

unsigned shard_of(const WorkerCommand& command) {
  return std::visit(ShardOf{}, command);
}

}  // namespace rove
