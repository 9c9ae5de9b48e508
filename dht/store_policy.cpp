#include "dht/store_policy.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"

namespace rove {
namespace {

// How soon to ask again whether a refreshed value is still there. Quotas are late by that much.
constexpr std::chrono::minutes kRefreshedRecheck{1};

StoreVerdict verdict_of(std::error_code error) {
  return error == Error::BadSignature ? StoreVerdict::BadSignature : StoreVerdict::Undecodable;
}

bool is_over(WallTime not_after, WallTime wall) {
  return not_after + kClockTolerance < wall;
}

bool is_key_of(const LocationKeys& keys, const LocationKey& key, const Claim& claim) {
  if (key == keys.of(claim.mac)) return true;
  return std::any_of(claim.ips.begin(), claim.ips.end(), [&](const IpAddress& ip) { return key == keys.of(ip); });
}

}  // namespace

StorePolicy::StorePolicy(TrustAnchor anchor, NamingKey naming_key)
    : anchor_(std::move(anchor)), keys_(std::move(naming_key)) {}

StoreVerdict StorePolicy::check(SteadyTime now, WallTime wall, const LocationKey& key, std::uint64_t value_id,
                                BytesView data) {
  // The same value again: it expired at OpenDHT a moment before expire() was told.
  remove(key, value_id);

  Candidate candidate;
  const StoreVerdict verdict = judge(wall, key, value_id, data, candidate);
  if (candidate.stranger && (verdict == StoreVerdict::Accepted || verdict == StoreVerdict::StrangerQuota)) {
    want_certificate(candidate.publisher);
  }
  if (verdict != StoreVerdict::Accepted) return verdict;

  store(now, key, value_id, candidate);
  if (candidate.certificate) add_certificate(std::move(*candidate.certificate));
  return StoreVerdict::Accepted;
}

StoreVerdict StorePolicy::judge(WallTime wall, const LocationKey& key, std::uint64_t value_id, BytesView data,
                                Candidate& candidate) const {
  if (data.empty()) return StoreVerdict::Undecodable;
  const BytesView record = data.subspan(1);
  const RecordId id = record_id_of(record);
  if (value_id != load_be<std::uint64_t>(id.octets.data())) return StoreVerdict::WrongId;

  StoreVerdict verdict = StoreVerdict::Undecodable;
  switch (static_cast<RecordKind>(data[0])) {
    case RecordKind::Claim: verdict = judge_claim(wall, key, record, candidate); break;
    case RecordKind::NodeRecord: verdict = judge_node_record(wall, key, record, candidate); break;
    case RecordKind::Certificate: verdict = judge_certificate(wall, key, record, candidate); break;
  }
  return verdict == StoreVerdict::Accepted ? judge_quotas(key, candidate) : verdict;
}

StoreVerdict StorePolicy::judge_claim(WallTime wall, const LocationKey& key, BytesView record,
                                      Candidate& candidate) const {
  const auto decoded = decode_claim(record, anchor_.network_id());
  if (!decoded) return verdict_of(decoded.error());
  const Claim& claim = decoded->claim;
  if (!is_key_of(keys_, key, claim)) return StoreVerdict::WrongKey;
  if (is_over(claim.not_after, wall)) return StoreVerdict::Expired;

  candidate.publisher = node_id_of(claim.owner);
  candidate.sequence = claim.sequence;
  candidate.stranger = !knows(candidate.publisher);
  if (candidate.stranger) return StoreVerdict::Accepted;
  const Certificate* certificate = find_certificate(candidate.publisher, wall);
  if (certificate == nullptr || !certificate->allows_all(claim.ips)) return StoreVerdict::NotAllowed;
  return StoreVerdict::Accepted;
}

StoreVerdict StorePolicy::judge_node_record(WallTime wall, const LocationKey& key, BytesView record,
                                            Candidate& candidate) const {
  const auto decoded = decode_node_record(record, anchor_.network_id());
  if (!decoded) return verdict_of(decoded.error());
  candidate.publisher = node_id_of(decoded->record.node);
  if (key != keys_.of_node_record(candidate.publisher) && key != keys_.of_members()) return StoreVerdict::WrongKey;
  if (is_over(decoded->record.not_after, wall)) return StoreVerdict::Expired;

  candidate.sequence = decoded->record.sequence;
  candidate.stranger = !knows(candidate.publisher);
  if (candidate.stranger) return StoreVerdict::Accepted;
  return find_certificate(candidate.publisher, wall) != nullptr ? StoreVerdict::Accepted : StoreVerdict::NotAllowed;
}

StoreVerdict StorePolicy::judge_certificate(WallTime wall, const LocationKey& key, BytesView record,
                                            Candidate& candidate) const {
  auto certificate = Certificate::parse(record);
  if (!certificate) return StoreVerdict::Undecodable;
  if (key != keys_.of_certificate(certificate->id())) return StoreVerdict::WrongKey;
  if (is_over(certificate->not_after(), wall)) return StoreVerdict::Expired;
  // The tolerance for clocks that differ also holds for the chain.
  const auto verified = anchor_.verify(*certificate, std::min(wall, certificate->not_after()));
  if (!verified) return verified.error() == Error::BadSignature ? StoreVerdict::BadSignature : StoreVerdict::NotAllowed;

  candidate.publisher = certificate->id();
  candidate.certificate = std::move(*certificate);
  return StoreVerdict::Accepted;
}

StoreVerdict StorePolicy::judge_quotas(const LocationKey& key, const Candidate& candidate) const {
  std::size_t of_publisher = 0;
  std::size_t of_strangers = 0;
  if (const auto siblings = by_key_.find(key); siblings != by_key_.end()) {
    for (const Stored& sibling : siblings->second) {
      if (!sibling.is_certificate && !knows(sibling.publisher)) ++of_strangers;
      if (sibling.publisher != candidate.publisher) continue;
      ++of_publisher;
      if (candidate.sequence < sibling.sequence) return StoreVerdict::OldSequence;
    }
  }
  const auto highest = high_water_.find({key, candidate.publisher});
  if (highest != high_water_.end() && candidate.sequence < highest->second.sequence) return StoreVerdict::OldSequence;

  if (of_publisher >= kStoredPerPublisherAndKey) return StoreVerdict::KeyQuota;
  if (candidate.stranger && of_strangers >= kStoredByStrangersPerKey) return StoreVerdict::StrangerQuota;
  const auto count = by_publisher_.find(candidate.publisher);
  if (count != by_publisher_.end() && count->second >= kStoredPerPublisher) return StoreVerdict::PublisherQuota;
  return stored_ < kStoredMax ? StoreVerdict::Accepted : StoreVerdict::TotalQuota;
}

void StorePolicy::store(SteadyTime now, const LocationKey& key, std::uint64_t value_id, const Candidate& candidate) {
  by_key_[key].push_back(
      {value_id, candidate.publisher, candidate.sequence, /*is_certificate=*/candidate.certificate.has_value()});
  ++by_publisher_[candidate.publisher];
  ++stored_;
  expiries_.emplace(now + kStoreLifetime, std::pair{key, value_id});
  if (!candidate.certificate) raise_high_water({key, candidate.publisher}, candidate.sequence);
}

void StorePolicy::remove(const LocationKey& key, std::uint64_t value_id) {
  const auto siblings = by_key_.find(key);
  if (siblings == by_key_.end()) return;
  auto& values = siblings->second;
  const auto value =
      std::find_if(values.begin(), values.end(), [&](const Stored& stored) { return stored.value_id == value_id; });
  if (value == values.end()) return;

  const auto count = by_publisher_.find(value->publisher);
  ROVE_CHECK(count != by_publisher_.end());
  if (--count->second == 0) by_publisher_.erase(count);
  --stored_;
  values.erase(value);
  if (values.empty()) by_key_.erase(siblings);
}

void StorePolicy::expire(SteadyTime now,
                         const std::function<bool(const LocationKey&, std::uint64_t value_id)>& is_stored) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    auto due = expiries_.extract(expiries_.begin());
    const auto& [key, value_id] = due.mapped();
    if (is_stored(key, value_id)) {
      due.key() = now + kRefreshedRecheck;
      expiries_.insert(std::move(due));
    } else {
      remove(key, value_id);
    }
  }
}

void StorePolicy::forget_stored() {
  by_key_.clear();
  by_publisher_.clear();
  stored_ = 0;
  expiries_.clear();
}

std::optional<SteadyTime> StorePolicy::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return expiries_.begin()->first;
}

void StorePolicy::raise_high_water(const Owner& owner, std::uint64_t sequence) {
  const auto known = high_water_.find(owner);
  if (known != high_water_.end()) {
    known->second.sequence = std::max(known->second.sequence, sequence);
    recent_.splice(recent_.end(), recent_, known->second.recent);
    return;
  }
  if (high_water_.size() == kHighWaterMax) {
    high_water_.erase(recent_.front());
    recent_.pop_front();
  }
  high_water_.emplace(owner, HighWater{sequence, recent_.insert(recent_.end(), owner)});
}

const Certificate* StorePolicy::find_certificate(const NodeId& node, WallTime wall) const {
  const auto known = certificates_.find(node);
  return known == certificates_.end() || is_over(known->second.not_after(), wall) ? nullptr : &known->second;
}

void StorePolicy::add_certificate(Certificate certificate) {
  const NodeId node = certificate.id();
  wanted_.erase(node);
  const auto known = certificates_.find(node);
  if (known == certificates_.end()) {
    if (certificates_.size() < kCertificatesMax) certificates_.emplace(node, std::move(certificate));
  } else if (known->second.not_before() <= certificate.not_before()) {
    known->second = std::move(certificate);
  }
}

bool StorePolicy::add_certificate(const NodeId& node, BytesView der, WallTime wall) {
  auto certificate = Certificate::parse(der);
  if (!certificate || certificate->id() != node || !anchor_.verify(*certificate, wall)) return false;
  add_certificate(std::move(*certificate));
  return true;
}

void StorePolicy::want_certificate(const NodeId& node) {
  if (wanted_.size() < kWantedMax) wanted_.insert(node);
}

std::optional<NodeId> StorePolicy::poll_wanted_certificate() {
  if (wanted_.empty()) return std::nullopt;
  return wanted_.extract(wanted_.begin()).value();
}

}  // namespace rove
