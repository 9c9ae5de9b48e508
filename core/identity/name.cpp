#include "core/identity/name.h"

#include <algorithm>

namespace rove {

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameSizeMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace rove
