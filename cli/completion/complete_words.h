// Words that a shell's completion offers: what is configured here, and what the daemon knows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/base/paths.h"

namespace rove {

enum class WordKind {
  Networks,   // that are configured
  Nodes,      // this one and its peers
  Addresses,  // MACs and IPs of the VMs here
  Ips,
  Macs,
};
[[nodiscard]] std::string_view to_string(WordKind kind);
[[nodiscard]] std::optional<WordKind> find_word_kind(std::string_view text);

// What stands for `kind` in the daemon's answers to `status`, `peers` or `vms`, sorted.
[[nodiscard]] std::vector<std::string> words_in(WordKind kind, std::string_view answer);

// All words of that kind, sorted. Nobody waits for a completion, nor reads its errors: without a daemon that answers
// within a second, or without a right to ask it, there are none.
[[nodiscard]] std::vector<std::string> find_words(WordKind kind, const Paths& paths, const Environment& environment,
                                                  const std::optional<std::string>& network);

}  // namespace rove
