#include "cli/daemon/member_names.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "cli/base/nearest.h"

namespace rove {
namespace {

constexpr std::size_t kNearestMax = 3;

std::vector<std::string> find_nearest_names(const std::vector<MemberName>& members, std::string_view text) {
  std::set<std::pair<std::size_t, std::string>> ranked;
  for (const MemberName& member : members) {
    if (member.name.empty()) continue;
    const std::size_t distance = edit_distance(text, member.name);
    // As find_nearest() has it; or the beginning of it, which is a habit of shells.
    const bool near = distance * 3 <= std::max(text.size(), member.name.size());
    if (near || std::string_view{member.name}.starts_with(text)) ranked.emplace(distance, member.name);
  }
  std::vector<std::string> names;
  for (const auto& [distance, name] : ranked) {
    if (names.size() < kNearestMax) names.push_back(name);
  }
  return names;
}

bool is_id_prefix(std::string_view text) {
  return text.size() >= kIdPrefixMin &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string to_lower(std::string_view text) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

FoundMember choose(const std::vector<MemberName>& matches) {
  if (matches.size() == 1) return {.member = matches.front()};
  std::vector<MemberName> up;
  std::copy_if(matches.begin(), matches.end(), std::back_inserter(up), [](const MemberName& each) { return each.up; });
  if (up.size() == 1) return {.member = up.front()};
  FoundMember found;
  for (const MemberName& each : matches) found.several.push_back(to_string(each.id));
  return found;
}

}  // namespace

FoundMember find_member(const std::vector<MemberName>& members, std::string_view text) {
  std::vector<MemberName> matches;
  for (const MemberName& member : members) {
    if (!member.name.empty() && member.name == text) matches.push_back(member);
  }
  if (!matches.empty()) return choose(matches);
  if (is_id_prefix(text)) {
    const std::string prefix = to_lower(text);
    for (const MemberName& member : members) {
      if (to_string(member.id).starts_with(prefix)) matches.push_back(member);
    }
    if (matches.size() == 1) return {.member = matches.front()};
    if (!matches.empty()) {
      FoundMember found;
      for (const MemberName& each : matches) found.several.push_back(to_string(each.id));
      return found;
    }
  }
  return {.nearest = find_nearest_names(members, text)};
}

}  // namespace rove
