// Byte spans and network byte order. Reader and Writer are bounds-checked cursors for wire formats.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rove {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// Reads a big-endian integer. `from` must hold sizeof(T) bytes. Written without a loop, as compilers make one load of
// that.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T load_be(const std::uint8_t* from) {
  return [from]<std::size_t... I>(std::index_sequence<I...>) {
    return static_cast<T>((... | static_cast<T>(T{from[I]} << 8 * (sizeof(T) - 1 - I))));
  }(std::make_index_sequence<sizeof(T)>{});
}

// Writes a big-endian integer. `to` must have room for sizeof(T) bytes.
template <std::unsigned_integral T>
constexpr void store_be(std::uint8_t* to, T value) {
  [to, value]<std::size_t... I>(std::index_sequence<I...>) {
    ((to[I] = static_cast<std::uint8_t>(value >> 8 * (sizeof(T) - 1 - I))), ...);
  }(std::make_index_sequence<sizeof(T)>{});
}

[[nodiscard]] inline BytesView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Cursor over received bytes. After a read past the end every further read gives zeros and
// ok() is false: check once, at the end of a decode.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  [[nodiscard]] T read() {
    const BytesView bytes = read_bytes(sizeof(T));
    return bytes.empty() ? T{0} : load_be<T>(bytes.data());
  }

  // The next `size` bytes, borrowed from the input; empty (and !ok()) when there are fewer.
  [[nodiscard]] BytesView read_bytes(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const BytesView bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return bytes;
  }

  template <std::size_t N>
  [[nodiscard]] std::array<std::uint8_t, N> read_array() {
    std::array<std::uint8_t, N> out{};
    const BytesView bytes = read_bytes(N);
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), N);
    return out;
  }

  [[nodiscard]] BytesView rest() const { return rest_; }
  [[nodiscard]] bool ok() const { return ok_; }
  // True when everything was read and nothing was missing.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  BytesView rest_;
  bool ok_ = true;
};

// Appends to a growing buffer. For control messages; the packet path writes in place.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  template <std::unsigned_integral T>
  void write(T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    store_be<T>(bytes.data(), value);
    write_bytes(bytes);
  }
  void write_bytes(BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

 private:
  Bytes& out_;
};

[[nodiscard]] std::string to_hex(BytesView bytes);
// Empty result when `text` is not an even number of hex digits.
[[nodiscard]] Bytes from_hex(std::string_view text);

}  // namespace rove
