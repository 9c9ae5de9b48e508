#include "cli/doctor/bugreport.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "core/base/bytes.h"
#include "core/identity/network_settings.h"
#include "core/identity/pem.h"

namespace rove {
namespace {

constexpr std::string_view kLeftOut = "[left out]";

void replace_all(std::string& text, std::string_view what) {
  if (what.empty()) return;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) {
    text.replace(at, what.size(), kLeftOut);
    at += kLeftOut.size();
  }
}

// Base64 on one line, without padding; of up to 48 octets, which is a line of PEM.
std::string to_base64(BytesView bytes) {
  const std::string pem = encode_pem("X", bytes);
  const std::size_t begin = pem.find('\n') + 1;
  std::string line = pem.substr(begin, pem.find('\n', begin) - begin);
  line.erase(std::find(line.begin(), line.end(), '='), line.end());
  return line;
}

std::string to_base64url(std::string base64) {
  std::replace(base64.begin(), base64.end(), '+', '-');
  std::replace(base64.begin(), base64.end(), '/', '_');
  return base64;
}

void leave_out_one(std::string& text, const KeptSecret& secret) {
  const BytesView bytes = secret.expose();
  const std::string hex = to_hex(bytes);
  std::string upper = hex;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  const std::string key = to_base64(encode_private_key(SigningSeed{secret.expose()}));
  const std::string base64 = to_base64(bytes);
  const std::string octets{bytes.begin(), bytes.end()};
  for (const std::string& form : {octets, hex, upper, key, to_base64url(key), base64, to_base64url(base64)}) {
    replace_all(text, form);
  }
}

void leave_out_pem(std::string& text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  constexpr std::string_view kDashes = "-----";
  for (std::size_t begin = 0; (begin = text.find(kBegin, begin)) != std::string::npos;) {
    const std::size_t end = text.find(kEnd, begin);
    // A block that was cut off goes on to the end.
    std::size_t stop = text.size();
    if (end != std::string::npos) {
      const std::size_t dashes = text.find(kDashes, end + kEnd.size());
      if (dashes != std::string::npos) stop = dashes + kDashes.size();
    }
    text.replace(begin, stop - begin, kLeftOut);
    begin += kLeftOut.size();
  }
}

}  // namespace

std::vector<KeptSecret> find_secrets(std::string_view pem) {
  std::vector<KeptSecret> secrets;
  const auto blocks = parse_pem(pem);
  if (!blocks) return secrets;
  for (const PemBlock& block : *blocks) {
    if (block.label == kPemPrivateKey) {
      if (const auto seed = decode_private_key(block.bytes)) secrets.emplace_back(seed->expose());
    } else if (const auto settings =
                   parse_settings({reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()})) {
      secrets.emplace_back(settings->key.expose());
    }
  }
  return secrets;
}

std::string leave_out(std::string text, const std::vector<KeptSecret>& secrets) {
  leave_out_pem(text);
  for (const KeptSecret& secret : secrets) leave_out_one(text, secret);
  return text;
}

std::string strip_comments(std::string_view config) {
  std::istringstream lines{std::string{config}};
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    // A '#' inside a text ends no line; after a text's end it begins a comment (toml.io, v1.0.0).
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (quote != 0) {
        if (line[i] == '\\' && quote == '"') {
          ++i;
        } else if (line[i] == quote) {
          quote = 0;
        }
      } else if (line[i] == '"' || line[i] == '\'') {
        quote = line[i];
      } else if (line[i] == '#') {
        line.erase(i);
      }
    }
    line.erase(std::find_if(line.rbegin(), line.rend(), [](unsigned char c) { return !std::isspace(c); }).base(),
               line.end());
    if (!line.empty()) kept += line + '\n';
  }
  return kept;
}

std::string format_sections(const std::vector<ReportSection>& sections) {
  std::string text;
  for (const ReportSection& section : sections) {
    text += (text.empty() ? "== " : "\n== ") + section.title + '\n';
    text += section.text.empty() ? "(nothing)\n" : section.text;
    if (text.back() != '\n') text += '\n';
  }
  return text;
}

}  // namespace rove
