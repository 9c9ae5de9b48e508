// rtnetlink (rtnetlink(7)): requests, replies, events. Host byte order and the kernel's structures throughout.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/bytes.h"
#include "tap/file_descriptor.h"

namespace rove {

// One request, built from front to back.
class NetlinkRequest {
 public:
  // `flags` besides NLM_F_REQUEST.
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);

  // The family's header (ifinfomsg, ndmsg, …), before the first attribute.
  template <typename T>
  NetlinkRequest& header(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append({reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
    return *this;
  }
  template <typename T>
  NetlinkRequest& add(std::uint16_t type, const T& value) {
    static_assert(std::is_integral_v<T>, "name the width: std::uint32_t{1}");
    return add_bytes(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  }
  NetlinkRequest& add_bytes(std::uint16_t type, BytesView value);
  NetlinkRequest& add_text(std::uint16_t type, std::string_view text);  // with the final zero
  NetlinkRequest& begin(std::uint16_t type);                            // a nested attribute, until
  NetlinkRequest& end();                                                // its end()

  // With the length and `sequence` filled in.
  [[nodiscard]] BytesView finish(std::uint32_t sequence);

 private:
  void append(BytesView bytes);

  Bytes bytes_;
  std::vector<std::size_t> open_;  // where nested attributes begin
};

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  BytesView payload;
};

// The first octets of `bytes` as a T; nullopt when there are fewer.
template <typename T>
[[nodiscard]] std::optional<T> load_native(BytesView bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// The value of the first attribute of `type`; `attributes` is a row of them. nullopt: none.
[[nodiscard]] std::optional<BytesView> find_attribute(BytesView attributes, std::uint16_t type);
template <typename T>
[[nodiscard]] std::optional<T> find_attribute_as(BytesView attributes, std::uint16_t type) {
  const auto value = find_attribute(attributes, type);
  return value ? load_native<T>(*value) : std::nullopt;
}
[[nodiscard]] std::string find_text(BytesView attributes, std::uint16_t type);  // without zeros; empty: none

// What follows the family's header T.
template <typename T>
[[nodiscard]] BytesView attributes_after(const NetlinkMessage& message) {
  return message.payload.size() < sizeof(T) ? BytesView{} : message.payload.subspan(sizeof(T));
}

// A NETLINK_ROUTE socket of the network namespace that the calling thread is in. One thread. Takes nothing that
// does not come from the kernel.
class NetlinkSocket {
 public:
  // Member of `groups` (RTNLGRP_*); non-blocking when there are any. Throws std::system_error.
  explicit NetlinkSocket(std::initializer_list<unsigned> groups = {});

  // Sends a request and waits for the kernel's acknowledgement. Returns 0 or its errno. Without groups only.
  [[nodiscard]] int change(NetlinkRequest& request);
  // Sends a dump and visits each entry. Begins again (visiting twice) while the kernel says that it changed
  // meanwhile, some times at most. Returns 0 or an errno. Without groups only.
  [[nodiscard]] int dump(NetlinkRequest& request, const std::function<void(const NetlinkMessage&)>& visit);

  // Sends without waiting; the sequence of the replies.
  std::uint32_t send(NetlinkRequest& request);
  enum class Received { Messages, Nothing, Overflow };
  // The next datagram's messages, borrowed until the next call. Overflow: the kernel dropped some (ENOBUFS).
  Received receive(std::vector<NetlinkMessage>& messages);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
  Bytes buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace rove
