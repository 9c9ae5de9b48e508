// Which member an operator means.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node/node.h"

namespace rove {

inline constexpr std::size_t kIdPrefixMin = 4;  // hex digits; shorter ones would often mean several

struct FoundMember {
  std::optional<MemberName> member{};  // exactly one is meant
  std::vector<std::string> several{};  // ids, where more are
  std::vector<std::string> nearest{};  // names that were probably meant, where none is
};

// By name, else by the beginning of the id. Of several with one name (a node that was enrolled anew has a new id) the
// one that is connected is meant, if it is one.
[[nodiscard]] FoundMember find_member(const std::vector<MemberName>& members, std::string_view text);

}  // namespace rove
