// What tests of one worker and of several have in common.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <utility>
#include <variant>

#include "core/base/ids.h"
#include "core/crypto/aead.h"
#include "core/forward/worker_messages.h"

namespace rove {

constexpr std::chrono::seconds kLimit{10};  // only a failing test waits so long

inline std::shared_ptr<const AeadKey> key_of(std::uint8_t octet) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(octet);
  return std::make_shared<const AeadKey>(bytes);
}

inline NodeId node(std::uint8_t octet) {
  NodeId id;
  id.octets.fill(octet);
  return id;
}

// The next event of kind T of a Worker or a WorkerPool whose callback releases `woken`; others are thrown away.
// nullopt: none within the limit.
template <typename T, typename Source>
std::optional<T> wait_event(Source& source, std::counting_semaphore<>& woken) {
  while (true) {
    while (auto event = source.poll_event()) {
      if (auto* wanted = std::get_if<T>(&*event)) return std::move(*wanted);
    }
    if (!woken.try_acquire_for(kLimit)) return std::nullopt;
  }
}

}  // namespace rove
