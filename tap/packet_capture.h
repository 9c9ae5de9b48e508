// A capture of packets for an operator's tools, by libpcap. No part of the packet path.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/base/bytes.h"

namespace rove {

// Superframes have up to 64 KB; this is what libpcap takes for "all of it".
inline constexpr std::uint32_t kCaptureSnaplenMax = 262'144;
// What the kernel keeps while nobody reads: 10 ms of 10 Gb/s. More is dropped, and counted by dropped().
inline constexpr int kCaptureBufferSize = 16 << 20;

class CaptureFailure : public std::runtime_error {
 public:
  enum class Reason { NoPermission, NoDevice, BadFilter, Other };

  CaptureFailure(Reason reason, const std::string& what) : std::runtime_error(what), reason_(reason) {}
  [[nodiscard]] Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

struct CaptureOptions {
  std::string device;  // "any": all of this thread's network namespace, with Linux's cooked headers (SLL2)
  std::string filter;  // as in pcap-filter(7); empty: everything
  std::uint32_t snaplen = kCaptureSnaplenMax;  // octets that are kept of each packet, at least 1
};

// Copies what passes a device into a pcap file. One thread; does not block.
class PacketCapture {
 public:
  // Takes the file's next octets; false when nobody wants more.
  using Write = std::function<bool(BytesView)>;

  // Captures from now on, and writes the file's header. Needs CAP_NET_RAW. Throws CaptureFailure.
  PacketCapture(const CaptureOptions& options, Write write);
  ~PacketCapture();
  PacketCapture(const PacketCapture&) = delete;
  PacketCapture& operator=(const PacketCapture&) = delete;

  // Writes what has come since, at most `count_max` packets and one batch; returns how many. nullopt: `write` takes no
  // more. Throws CaptureFailure: NoDevice when the device is gone, else Other.
  [[nodiscard]] std::optional<std::uint64_t> copy(std::uint64_t count_max);
  // Readable when there is something to copy, or an error to hear of.
  [[nodiscard]] int fd() const;
  // Packets that were lost so far because the kernel's buffer was full.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rove
