// The layout was taken from messages of OpenDHT 2.4.12 and from its parser (parsed_message.h).
#include "dht/message_check.h"

#include <msgpack.hpp>
#include <string_view>

namespace rove {
namespace {

using Object = msgpack::object;
using Type = msgpack::type::object_type;

constexpr std::uint64_t kU16Max = 0xffff;
constexpr std::uint64_t kU32Max = 0xffff'ffff;
constexpr std::size_t kIdSize = 20;
constexpr std::size_t kNode4Size = kIdSize + 4 + 2;
constexpr std::size_t kNode6Size = kIdSize + 16 + 2;
constexpr std::size_t kNodesMax = 16;  // OpenDHT sends 8
constexpr std::size_t kTokenSizeMax = 64;
constexpr std::size_t kListMax = 2048;          // ids in a list, values in a reply
constexpr std::uint64_t kFieldMax = 5;          // Value::Field: Id, ValueType, OwnerPk, SeqNum, UserType
constexpr std::size_t kPartsPerMessageMax = 4;  // OpenDHT sends one

// Array, map, string, bin, extension, depth. Bounds what a message can make msgpack allocate.
const msgpack::unpack_limit kUnpackLimit{2 * kListMax, 16, 128, kDhtMessageSizeMax, 0, 8};

bool is_uint(const Object& object, std::uint64_t max = ~std::uint64_t{0}) {
  return object.type == Type::POSITIVE_INTEGER && object.via.u64 <= max;
}
bool is_bin(const Object& object, std::size_t size) {
  return object.type == Type::BIN && object.via.bin.size == size;
}
bool is_string(const Object& object, std::size_t max) {
  return object.type == Type::STR && object.via.str.size <= max;
}
bool equals(const Object& object, std::string_view text) {
  return object.type == Type::STR && std::string_view{object.via.str.ptr, object.via.str.size} == text;
}
bool is_list_of(const Object& object, std::size_t max, bool (*fits)(const Object&)) {
  if (object.type != Type::ARRAY || object.via.array.size > max) return false;
  for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
    if (!fits(object.via.array.ptr[i])) return false;
  }
  return true;
}

// A map whose keys are strings, each at most once.
class Dictionary {
 public:
  [[nodiscard]] static std::optional<Dictionary> of(const Object& object) {
    if (object.type != Type::MAP) return std::nullopt;
    const auto& map = object.via.map;
    for (std::uint32_t i = 0; i < map.size; ++i) {
      if (map.ptr[i].key.type != Type::STR) return std::nullopt;
      for (std::uint32_t j = 0; j < i; ++j) {
        if (map.ptr[i].key == map.ptr[j].key) return std::nullopt;
      }
    }
    return Dictionary{map};
  }

  [[nodiscard]] const Object* find(std::string_view key) const {
    for (std::uint32_t i = 0; i < map_.size; ++i) {
      if (equals(map_.ptr[i].key, key)) return &map_.ptr[i].val;
    }
    return nullptr;
  }
  [[nodiscard]] std::size_t size() const { return map_.size; }

  // The value under `key` is absent or fits.
  template <typename Fits>
  [[nodiscard]] bool optional(std::string_view key, Fits&& fits) const {
    const Object* value = find(key);
    return value == nullptr || fits(*value);
  }

 private:
  explicit Dictionary(const msgpack::object_map& map) : map_(map) {}
  msgpack::object_map map_;
};

// {"id": u64, "dat": {"body": {"type": kRecordValueType, "data": bin}}}
bool is_value(const Object& object) {
  const auto value = Dictionary::of(object);
  if (!value || value->size() != 2) return false;
  const Object* id = value->find("id");
  const Object* dat = value->find("dat");
  if (id == nullptr || !is_uint(*id) || id->via.u64 == 0 || dat == nullptr) return false;
  const auto wrapper = Dictionary::of(*dat);
  if (!wrapper || wrapper->size() != 1) return false;
  const Object* body_object = wrapper->find("body");
  if (body_object == nullptr) return false;
  const auto body = Dictionary::of(*body_object);
  if (!body || body->size() != 2) return false;
  const Object* type = body->find("type");
  const Object* data = body->find("data");
  return type != nullptr && is_uint(*type) && type->via.u64 == kRecordValueType && data != nullptr &&
         data->type == Type::BIN && data->via.bin.size <= kDhtValueSizeMax;
}

// A value in full, or the size of one that follows in parts.
bool is_value_or_size(const Object& object) {
  return object.type == Type::POSITIVE_INTEGER ? is_uint(object, kDhtValueSizeMax) : is_value(object);
}

// What is_value() demands, of the first part of a value that comes in several: OpenDHT puts the parts
// together and parses the result unseen, so the layout up to the data must stand in the first.
bool begins_like_value(BytesView part) {
  constexpr std::string_view kIdName = "\x82\xa2id";
  constexpr std::string_view kBody =
      "\xa3"
      "dat\x81\xa4"
      "body\x82\xa4"
      "type\xcd\x72\x6f\xa4"
      "data";
  Reader reader{part};
  const auto expect = [&reader](std::string_view text) {
    const BytesView bytes = reader.read_bytes(text.size());
    return bytes.size() == text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
  };
  if (!expect(kIdName)) return false;
  switch (const auto first = reader.read<std::uint8_t>()) {  // msgpack's unsigned integers
    case 0xcc: (void)reader.read_bytes(1); break;
    case 0xcd: (void)reader.read_bytes(2); break;
    case 0xce: (void)reader.read_bytes(4); break;
    case 0xcf: (void)reader.read_bytes(8); break;
    default:
      if (first == 0 || first > 0x7f) return false;
  }
  if (!expect(kBody)) return false;
  std::size_t size = 0;
  switch (reader.read<std::uint8_t>()) {  // bin 8, bin 16
    case 0xc4: size = reader.read<std::uint8_t>(); break;
    case 0xc5: size = reader.read<std::uint16_t>(); break;
    default: return false;
  }
  return reader.ok() && size <= kDhtValueSizeMax;
}

// {"f": field, "v": value}
bool is_condition(const Object& object) {
  const auto condition = Dictionary::of(object);
  if (!condition) return false;
  const Object* field = condition->find("f");
  const Object* value = condition->find("v");
  if (field == nullptr || !is_uint(*field, kFieldMax) || value == nullptr) return false;
  switch (field->via.u64) {
    case 1:
    case 2: return is_uint(*value);
    case 3: return is_bin(*value, kIdSize);
    case 5: return value->type == Type::BIN && value->via.bin.size <= kTokenSizeMax;
    default: return false;  // SeqNum: OpenDHT cannot pack it back
  }
}

// A list of distinct fields. Sorted or not, OpenDHT reads it into a set.
bool is_field_list(const Object& object) {
  if (object.type != Type::ARRAY || object.via.array.size > kFieldMax) return false;
  for (std::uint32_t i = 0; i < object.via.array.size; ++i) {
    const Object& field = object.via.array.ptr[i];
    if (!is_uint(field, kFieldMax) || field.via.u64 == 0) return false;
    for (std::uint32_t j = 0; j < i; ++j) {
      if (object.via.array.ptr[j] == field) return false;
    }
  }
  return true;
}

// {"s": [field…], "w": [condition…]}
bool is_query(const Object& object) {
  const auto query = Dictionary::of(object);
  return query && query->optional("s", is_field_list) &&
         query->optional("w", [](const Object& where) { return is_list_of(where, kFieldMax, is_condition); });
}

// {"f": [field…], "v": [value…]}: rows of as many values as there are fields. An empty list of fields
// would make OpenDHT divide by zero (fixed in 4.3.1, commit 8aa6b009).
bool is_field_table(const Object& object) {
  const auto table = Dictionary::of(object);
  if (!table) return false;
  const Object* fields = table->find("f");
  const Object* values = table->find("v");
  if (fields == nullptr || !is_field_list(*fields) || fields->via.array.size == 0) return false;
  return values != nullptr &&
         is_list_of(*values, 2 * kListMax,
                    [](const Object& value) {
                      return is_uint(value) || value.type == Type::BIN || value.type == Type::STR;
                    }) &&
         values->via.array.size % fields->via.array.size == 0;
}

bool is_id_list(const Object& object) {
  return is_list_of(object, kListMax, [](const Object& id) { return is_uint(id); });
}

template <std::size_t EntrySize>
bool is_node_list(const Object& object) {
  return object.type == Type::BIN && object.via.bin.size % EntrySize == 0 &&
         object.via.bin.size <= EntrySize * kNodesMax;
}

// The part that requests, replies and updates share: arguments or results.
bool is_body(const Object& object) {
  const auto body = Dictionary::of(object);
  if (!body) return false;
  const auto uint = [](const Object& value) { return is_uint(value); };
  const auto id = [](const Object& value) { return is_bin(value, kIdSize); };
  const Object* sender = body->find("id");
  return sender != nullptr && id(*sender) && body->optional("h", id) && body->optional("target", id) &&
         body->optional("n4", is_node_list<kNode4Size>) && body->optional("n6", is_node_list<kNode6Size>) &&
         body->optional("sa", [](const Object& value) { return is_bin(value, 4) || is_bin(value, 16); }) &&
         body->optional(
             "token",
             [](const Object& value) { return value.type == Type::BIN && value.via.bin.size <= kTokenSizeMax; }) &&
         body->optional("sid", [](const Object& value) { return is_uint(value, kU32Max); }) &&
         body->optional("vid", uint) && body->optional("ve", uint) &&
         body->optional("c", [](const Object& value) { return is_uint(value, kU32Max); }) &&
         body->optional("w",
                        [](const Object& value) {
                          return is_list_of(value, 2, [](const Object& family) { return is_uint(family, kU16Max); });
                        }) &&
         body->optional("values", [](const Object& value) { return is_list_of(value, kListMax, is_value_or_size); }) &&
         body->optional("fileds", is_field_table) &&  // spelled so on the wire
         body->optional("fields", is_field_table) && body->optional("exp", is_id_list) &&
         body->optional("re", is_id_list) && body->optional("q", is_query);
}

// {index: {"o": offset, "d": bin}…}
bool is_value_parts(const Object& object) {
  if (object.type != Type::MAP || object.via.map.size == 0 || object.via.map.size > kPartsPerMessageMax) return false;
  for (std::uint32_t i = 0; i < object.via.map.size; ++i) {
    const auto& entry = object.via.map.ptr[i];
    if (!is_uint(entry.key, kListMax)) return false;
    const auto part = Dictionary::of(entry.val);
    if (!part) return false;
    const Object* offset = part->find("o");
    const Object* data = part->find("d");
    if (offset == nullptr || !is_uint(*offset, kDhtValueSizeMax) || data == nullptr || data->type != Type::BIN) {
      return false;
    }
    const BytesView bytes{reinterpret_cast<const std::uint8_t*>(data->via.bin.ptr), data->via.bin.size};
    if (bytes.empty() || (offset->via.u64 == 0 && !begins_like_value(bytes))) return false;
  }
  return true;
}

bool is_error(const Object& object) {
  return object.type == Type::ARRAY && object.via.array.size == 2 && is_uint(object.via.array.ptr[0], kU16Max) &&
         is_string(object.via.array.ptr[1], 128);
}

std::optional<DhtMessageKind> kind_of(const Dictionary& message) {
  const auto has = [&message](std::string_view key) { return message.find(key) != nullptr; };
  if (has("a") + has("r") + has("u") + has("p") > 1) return std::nullopt;
  if (has("e")) return has("r") ? std::optional{DhtMessageKind::Error} : std::nullopt;
  if (has("a")) return DhtMessageKind::Request;
  if (has("r")) return DhtMessageKind::Reply;
  if (has("u")) return DhtMessageKind::Update;
  if (has("p")) return DhtMessageKind::ValuePart;
  return std::nullopt;
}

bool is_request(const Dictionary& message) {
  const Object* name = message.find("q");
  if (name == nullptr) return false;
  for (const std::string_view known : {"ping", "find", "get", "listen", "put", "refresh", "update"}) {
    if (equals(*name, known)) return is_body(*message.find("a"));
  }
  return false;
}

bool is_content(const Dictionary& message, DhtMessageKind kind) {
  switch (kind) {
    case DhtMessageKind::Request: return is_request(message);
    case DhtMessageKind::Reply: return is_body(*message.find("r"));
    case DhtMessageKind::Error: return is_error(*message.find("e")) && is_body(*message.find("r"));
    case DhtMessageKind::Update: return is_body(*message.find("u"));
    case DhtMessageKind::ValuePart: return is_value_parts(*message.find("p"));
  }
  return false;
}

}  // namespace

std::optional<DhtMessageKind> check_dht_message(BytesView bytes) {
  if (bytes.empty() || bytes.size() > kDhtMessageSizeMax) return std::nullopt;
  try {
    std::size_t end = 0;
    const msgpack::object_handle handle =
        msgpack::unpack(reinterpret_cast<const char*>(bytes.data()), bytes.size(), end, nullptr, nullptr, kUnpackLimit);
    if (end != bytes.size()) return std::nullopt;
    const auto message = Dictionary::of(handle.get());
    if (!message) return std::nullopt;
    const Object* transaction = message->find("t");
    const bool framed = transaction != nullptr && is_uint(*transaction, kU32Max) &&
                        message->optional("y", [](const Object& value) { return is_string(value, 1); }) &&
                        message->optional("v", [](const Object& value) { return is_string(value, 16); }) &&
                        message->optional("n", [](const Object& value) { return is_uint(value, kU32Max); }) &&
                        message->optional("s", [](const Object& value) { return value.type == Type::BOOLEAN; });
    const auto kind = kind_of(*message);
    if (!framed || !kind || !is_content(*message, *kind)) return std::nullopt;
    return kind;
  } catch (const std::exception&) {  // msgpack reports incomplete and oversized input so
    return std::nullopt;
  }
}

}  // namespace rove
