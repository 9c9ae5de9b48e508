// `rove bugreport`: one text that says how this host and its daemon are, without any key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto/keys.h"

namespace rove {

using KeptSecret = SecretBytes<struct KeptSecretTag>;

// Every secret in the text of a credential or of an authority file, and nothing else; none in what is no such file.
[[nodiscard]] std::vector<KeptSecret> find_secrets(std::string_view pem);

// The text without these secrets (as octets, hex and base64, alone or as a private key) and without any PEM block,
// whatever it holds; what was there is told by "[left out]".
[[nodiscard]] std::string leave_out(std::string text, const std::vector<KeptSecret>& secrets);

// The lines of a configuration file that count: comments may hold anything.
[[nodiscard]] std::string strip_comments(std::string_view config);

struct ReportSection {
  std::string title;
  std::string text;
};
[[nodiscard]] std::string format_sections(const std::vector<ReportSection>& sections);

}  // namespace rove
