// Micro-benchmarks that carry frames there and back: which there are of them.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/crypto/aead.h"
#include "tests/bench/bulk_frames.h"
#include "tests/bench/workload.h"

namespace rove {

// Frames of one run(), between these ends.
using MakeFrames = std::vector<TapFrame> (*)(const PacketEnds& ends);

struct FrameWorkload {
  std::string out;  // the names of what seals these frames, and of what opens them, without the algorithm
  std::string in;
  MakeFrames make;
};

// Each with each algorithm; `Out` and `In` are made of an AeadAlgorithm and a MakeFrames.
template <typename Out, typename In>
[[nodiscard]] std::vector<NamedWorkload> with_each_algorithm(std::initializer_list<FrameWorkload> kinds) {
  std::vector<NamedWorkload> workloads;
  for (const auto& [algorithm, name] : {std::pair{AeadAlgorithm::Aes256Gcm, "/aes256gcm"},
                                        std::pair{AeadAlgorithm::ChaCha20Poly1305, "/chacha20poly1305"}}) {
    for (const FrameWorkload& kind : kinds) {
      workloads.push_back({kind.out + name, [algorithm = algorithm, make = kind.make] {
                             return std::make_unique<Out>(algorithm, make);
                           }});
      workloads.push_back({kind.in + name, [algorithm = algorithm, make = kind.make] {
                             return std::make_unique<In>(algorithm, make);
                           }});
    }
  }
  return workloads;
}

}  // namespace rove
