// Whole files: read with a limit, replaced atomically.
#pragma once

#include <sys/types.h>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rove {

inline constexpr std::size_t kFileSizeMax = std::size_t{4} << 20;  // no file of ours comes near

// The file's contents; nullopt when it does not exist. Throws std::system_error for any other error, and
// std::runtime_error when it is larger than kFileSizeMax.
[[nodiscard]] std::optional<std::string> read_file(const std::filesystem::path& path);

// Writes a temporary file beside `path`, syncs it, and renames it over `path`, so that a reader or a crash
// sees the old contents or the new, never a part. `mode` holds from the first byte. Throws std::system_error.
void replace_file(const std::filesystem::path& path, std::string_view contents, mode_t mode);

// As replace_file(), but false, and nothing changed, when `path` exists already.
[[nodiscard]] bool create_file(const std::filesystem::path& path, std::string_view contents, mode_t mode);

// Creates `directory` (with `mode`) and its parents (0755). Throws std::system_error.
void make_directory(const std::filesystem::path& directory, mode_t mode);

// True when group or others may read or write the file: no place for a key. False when it does not exist.
[[nodiscard]] bool is_open_to_others(const std::filesystem::path& path);

}  // namespace rove
