// How many frames a VM's device has given to its guest, counted as its port counts what the hypervisor read.
//
//   port's counter "read" ─► hypervisor: read, perhaps not given yet ─► guest: used index of the receive queue
//
// The index counts buffers from some time on, modulo 2^16; a frame of up to 1,514 octets takes one. So both differ by
// a number that stays the same, until a larger frame takes several buffers, or the device filters one out. That number
// is found while the VM runs; when it has stopped, index and number say what of the last frames the guest never got.
#pragma once

#include <cstdint>
#include <optional>

namespace rove {

// So many samples in a row have to agree: who gets large or foreign frames all the time is not counted, rather than
// counted wrongly.
inline constexpr unsigned kAgreeingSamples = 4;

// One VM's receive queue; one thread.
class DeliveryCount {
 public:
  // The index was asked for after the port had counted `read_before`, and known before it counted `read_after`.
  void handle_sample(std::uint16_t used, std::uint64_t read_before, std::uint64_t read_after);

  // The frame after which the guest got none, as the port's counter; nullopt: not known exactly. `used`: the index now,
  // fewer than 2^16 buffers after the last sample's.
  [[nodiscard]] std::optional<std::uint64_t> delivered(std::uint16_t used) const;

 private:
  struct Known {
    std::uint16_t used = 0;      // the last sample's
    std::uint64_t buffers = 0;   // … without the modulus
    std::int64_t ahead_min = 0;  // the counter less `buffers`
    std::int64_t ahead_max = 0;
    unsigned agreeing = 0;  // samples
  };
  std::optional<Known> known_;
};

}  // namespace rove
