// What one watcher has still to be told, and how much it missed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rove {

// Control thread only. Holds lines until their reader takes them, at most kBytesMax octets: about a thousand events,
// what twenty VMs make in a move to and fro. Further lines are lost, and a line says how many, in the place where
// they are missing.
class WatchQueue {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{256} << 10;

  // False when it was lost.
  bool push(std::string line);
  // Everything there is, each line with its end; empty when there is nothing.
  [[nodiscard]] std::string take();

 private:
  void tell_lost();

  std::string lines_;
  std::uint64_t lost_ = 0;  // since the last line that said so
};

}  // namespace rove
