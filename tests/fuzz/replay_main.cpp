// Runs a fuzz target on every file of its corpus, and on seeded mutations of each: no fuzzing engine needed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "core/base/bytes.h"
#include "tests/support/seeded_random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kMutationsPerFile = 20'000;

rove::Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// One to four of: a bit flipped, a byte set, a stretch removed, a stretch repeated, a length-like byte moved by one.
void mutate(rove::Bytes& bytes, rove::SeededRandom& random) {
  for (auto edits = 1 + random.below(4); edits > 0 && !bytes.empty(); --edits) {
    const auto at = static_cast<std::ptrdiff_t>(random.below(bytes.size()));
    const auto length = static_cast<std::ptrdiff_t>(1 + random.below(std::min<std::uint64_t>(32, bytes.size() - at)));
    auto& byte = bytes[static_cast<std::size_t>(at)];
    switch (random.below(5)) {
      case 0: byte = static_cast<std::uint8_t>(byte ^ 1U << random.below(8)); break;
      case 1: byte = static_cast<std::uint8_t>(random.below(256)); break;
      case 2: bytes.erase(bytes.begin() + at, bytes.begin() + at + length); break;
      case 3: {
        const rove::Bytes stretch{bytes.begin() + at, bytes.begin() + at + length};
        bytes.insert(bytes.begin() + at, stretch.begin(), stretch.end());
        break;
      }
      default: byte = static_cast<std::uint8_t>(byte + (random.below(2) == 0 ? 1 : -1)); break;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{argv[1]}) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "%s holds no file\n", argv[1]);
    return 1;
  }
  rove::SeededRandom random{1};
  std::uint64_t runs = 0;
  for (const auto& path : files) {
    const rove::Bytes original = read_file(path);
    (void)LLVMFuzzerTestOneInput(original.data(), original.size());  // always 0, as libFuzzer asks
    for (int i = 0; i < kMutationsPerFile; ++i) {
      rove::Bytes bytes = original;
      mutate(bytes, random);
      (void)LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++runs;
    }
  }
  std::printf("%zu files, %llu mutations\n", files.size(), static_cast<unsigned long long>(runs));
  return 0;
}
