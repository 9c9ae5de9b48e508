#include "core/identity/credential.h"

#include <optional>

#include "core/identity/certificate.h"
#include "core/identity/pem.h"

namespace rove {
namespace {

constexpr std::string_view kPemNetwork = "ROVE NETWORK";

struct Blocks {
  std::optional<TrustAnchor> anchor;
  std::optional<Certificate> certificate;
  std::optional<SigningSeed> seed;
  std::optional<NetworkSettings> network;
};

// The two certificates are told apart by their order: the CA comes first.
Result<void> take_block(Blocks& blocks, const PemBlock& block) {
  if (block.label == kPemCertificate && !blocks.anchor) {
    auto anchor = TrustAnchor::parse(block.bytes);
    if (!anchor) return tl::make_unexpected(anchor.error());
    blocks.anchor = std::move(*anchor);
  } else if (block.label == kPemCertificate && !blocks.certificate) {
    auto certificate = Certificate::parse(block.bytes);
    if (!certificate) return tl::make_unexpected(certificate.error());
    blocks.certificate = std::move(*certificate);
  } else if (block.label == kPemPrivateKey && !blocks.seed) {
    auto seed = decode_private_key(block.bytes);
    if (!seed) return tl::make_unexpected(seed.error());
    blocks.seed = std::move(*seed);
  } else if (block.label == kPemNetwork && !blocks.network) {
    const std::string_view text{reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()};
    auto network = parse_settings(text);
    if (!network) return tl::make_unexpected(network.error());
    blocks.network = std::move(*network);
  } else {
    return fail(Error::Malformed);
  }
  return {};
}

}  // namespace

std::string encode_credential(const Credential& credential) {
  return encode_pem(kPemCertificate, credential.ca_der) + encode_pem(kPemCertificate, credential.certificate_der) +
         encode_pem(kPemPrivateKey, encode_private_key(credential.seed)) +
         encode_pem(kPemNetwork, as_bytes(encode_settings(credential.network)));
}

Result<Credential> parse_credential(std::string_view text) {
  if (text.size() > kCredentialSizeMax) return fail(Error::TooLarge);
  const auto pem = parse_pem(text);
  if (!pem) return tl::make_unexpected(pem.error());
  Blocks blocks;
  for (const PemBlock& block : *pem) {
    if (const auto taken = take_block(blocks, block); !taken) return tl::make_unexpected(taken.error());
  }
  if (!blocks.anchor || !blocks.certificate || !blocks.seed || !blocks.network) return fail(Error::Malformed);

  if (const auto issued = blocks.anchor->verify_issuer(*blocks.certificate); !issued) {
    return tl::make_unexpected(issued.error());
  }
  if (node_key_of(*blocks.seed) != blocks.certificate->key()) return fail(Error::WeakKey);
  if (blocks.network->name != blocks.anchor->network_name()) return fail(Error::WrongNetwork);
  return Credential{blocks.anchor->der(), blocks.certificate->der(), std::move(*blocks.seed),
                    std::move(*blocks.network)};
}

}  // namespace rove
