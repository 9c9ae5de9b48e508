#include "core/peer/session.h"

#include <algorithm>
#include <utility>

#include "core/forward/lane_counter.h"

namespace rove {

Session::Session(TimePoint now, Role role, std::uint64_t serial, SessionIndexLease lease,
                 EstablishedSession established)
    : role_(role),
      serial_(serial),
      lease_(std::move(lease)),
      remote_(established.remote),
      algorithm_(established.algorithm),
      created_(now),
      seal_key_(std::make_shared<const AeadKey>(std::move(established.keys.send))),
      open_key_(std::make_shared<const AeadKey>(std::move(established.keys.receive))),
      sealer_(algorithm_, *seal_key_),
      opener_(algorithm_, *open_key_) {}

std::optional<Bytes> Session::seal(TimePoint now, BytesView plaintext) {
  if (is_expired(now) || is_worn()) return std::nullopt;
  Header header;
  header.type = DatagramType::Control;
  header.receiver = remote_;
  header.counter = {0, sent_++};
  Bytes datagram(kDataOverhead + plaintext.size());
  store_header(datagram.data(), header);
  const BytesView associated_data = BytesView{datagram}.first(kHeaderSize);
  sealer_.seal(header.counter.value(), associated_data, plaintext, datagram.data() + kHeaderSize);
  return datagram;
}

bool Session::is_worn() const {
  return sent_ >= kRekeyAfterMessages;
}

Result<Session::Opened> Session::open(TimePoint now, const Header& header, BytesView datagram) {
  if (is_expired(now)) return fail(Error::Expired);
  if (datagram.size() < kDataOverhead) return fail(Error::Truncated);
  if (!replay_.may_accept(header.counter.count)) return fail(Error::Replayed);
  Opened opened;
  opened.plaintext.resize(datagram.size() - kDataOverhead);
  if (!opener_.open(header.counter.value(), datagram.first(kHeaderSize), datagram.subspan(kHeaderSize),
                    opened.plaintext.data())) {
    return fail(Error::Undecryptable);
  }
  if (!replay_.accept(header.counter.count)) return fail(Error::Replayed);
  opened.newest = header.counter.count >= received_;
  received_ = std::max(received_, header.counter.count + 1);
  return opened;
}

SessionView Session::view(const NodeId& peer, const Endpoint& endpoint) const {
  return {serial_, peer, local_index(), remote_, algorithm_, seal_key_, open_key_, endpoint, true, expires()};
}

}  // namespace rove
