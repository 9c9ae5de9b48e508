#include "cli/report/top_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cli/base/failure.h"
#include "cli/report/text.h"

namespace rove {
namespace {

// A counter that fell is a new one: the peer was forgotten and met again.
double rate_of(const ReportJson& before, const ReportJson& after, const char* name, double seconds) {
  const auto now = after.at(name).get<std::uint64_t>();
  const auto then = before.is_object() ? before.at(name).get<std::uint64_t>() : 0;
  return static_cast<double>(now >= then ? now - then : now) / seconds;
}

TrafficRates peer_rates(const ReportJson& before, const ReportJson& after, double seconds) {
  return {.frames_out = rate_of(before, after, "frames_out", seconds),
          .octets_out = rate_of(before, after, "octets_out", seconds),
          .frames_in = rate_of(before, after, "frames_in", seconds),
          .octets_in = rate_of(before, after, "octets_in", seconds),
          .drops = rate_of(before, after, "drops_in", seconds)};
}

TopSample make_sample(const ReportJson& before, const ReportJson& after, std::int64_t interval_ms) {
  const double seconds = static_cast<double>(interval_ms) / 1000;
  TopSample sample;
  sample.time_ms = after.at("time_ms").get<std::int64_t>();
  sample.interval_ms = interval_ms;

  std::map<std::string, ReportJson> known;
  for (const ReportJson& peer : before.at("peer_list")) known[peer.at("id").get<std::string>()] = peer.at("traffic");
  for (const ReportJson& peer : after.at("peer_list")) {
    TopSample::Peer entry{.name = peer.at("name").get<std::string>(), .id = peer.at("id").get<std::string>()};
    if (entry.name.empty()) entry.name = entry.id;
    entry.up = peer.at("up").get<bool>();
    if (peer.at("rtt_us").is_number()) entry.rtt_us = peer.at("rtt_us").get<long long>();
    entry.rates = peer_rates(known[entry.id], peer.at("traffic"), seconds);
    sample.total.frames_out += entry.rates.frames_out;
    sample.total.octets_out += entry.rates.octets_out;
    sample.total.frames_in += entry.rates.frames_in;
    sample.total.octets_in += entry.rates.octets_in;
    sample.peers.push_back(std::move(entry));
  }
  std::stable_sort(sample.peers.begin(), sample.peers.end(), [](const auto& a, const auto& b) {
    return a.rates.octets_in + a.rates.octets_out > b.rates.octets_in + b.rates.octets_out;
  });

  const ReportJson& packets = after.at("counters").at("packets");
  const ReportJson& packets_before = before.at("counters").at("packets");
  sample.tap = {.frames_out = rate_of(packets_before, packets, "frames_in", seconds),
                .octets_out = rate_of(packets_before, packets, "bytes_in", seconds),
                .frames_in = rate_of(packets_before, packets, "frames_out", seconds),
                .octets_in = rate_of(packets_before, packets, "bytes_out", seconds)};
  const ReportJson& drops = after.at("counters").at("drops");
  for (const auto& [reason, count] : drops.items()) {
    const double rate = rate_of(before.at("counters").at("drops"), drops, reason.c_str(), seconds);
    if (rate > 0) sample.drops.emplace_back(reason, rate);
    sample.total.drops += rate;
  }
  return sample;
}

ReportJson to_json(const TrafficRates& rates) {
  return {{"frames_out_per_s", rates.frames_out},
          {"octets_out_per_s", rates.octets_out},
          {"frames_in_per_s", rates.frames_in},
          {"octets_in_per_s", rates.octets_in},
          {"drops_per_s", rates.drops}};
}

// Whole numbers from 10 on; below one of them is many.
std::string format_rate(double rate) {
  return rate == 0 || rate >= 9.95 ? fmt::format("{:.0f}", rate) : fmt::format("{:.1f}", rate);
}

void add_line(std::string& out, const std::string& time, const std::string& name, const std::string& state,
              const std::string& rtt, const TrafficRates& rates) {
  out += fmt::format("{}\t{}\t{}\t{}\t{}\t{:.0f}\t{}\t{:.0f}\t{}\n", time, clean_cell(name), clean_cell(state),
                     clean_cell(rtt), format_rate(rates.frames_out), rates.octets_out, format_rate(rates.frames_in),
                     rates.octets_in, format_rate(rates.drops));
}

void add_row(Table& table, const std::string& name, Table::Cell state, const std::string& rtt,
             const TrafficRates& rates) {
  table.add_row({name,
                 std::move(state),
                 rtt,
                 format_rate(rates.frames_out),
                 format_octets(rates.octets_out) + "/s",
                 format_rate(rates.frames_in),
                 format_octets(rates.octets_in) + "/s",
                 {format_rate(rates.drops), rates.drops > 0 ? Tone::Bad : Tone::Plain}});
}

std::string rtt_text(const TopSample::Peer& peer) {
  return peer.rtt_us ? format_ms(*peer.rtt_us) : std::string{};
}

[[noreturn]] void fail_of_version() {
  throw Failure(ExitStatus::Failure, "top",
                "the daemon's answer is not what this rove reads; is it of another version?", "rove status --json");
}

}  // namespace

std::optional<TopSample> make_top_sample(const ReportJson& before, const ReportJson& after) {
  try {
    const auto interval = after.at("uptime_ms").get<std::int64_t>() - before.at("uptime_ms").get<std::int64_t>();
    if (interval <= 0) return std::nullopt;
    return make_sample(before, after, interval);
  } catch (const ReportJson::exception&) {
    fail_of_version();
  }
}

std::string report_top(const TopSample& sample) {
  ReportJson object = make_report();
  object["time_ms"] = sample.time_ms;
  object["interval_ms"] = sample.interval_ms;
  ReportJson peers = ReportJson::array();
  for (const TopSample::Peer& peer : sample.peers) {
    ReportJson entry = {{"name", peer.name}, {"id", peer.id}, {"up", peer.up}};
    entry["rtt_us"] = peer.rtt_us ? ReportJson(*peer.rtt_us) : ReportJson();
    const ReportJson rates = to_json(peer.rates);
    for (const auto& [name, value] : rates.items()) entry[name] = value;
    peers.push_back(std::move(entry));
  }
  object["peers"] = std::move(peers);
  object["total"] = to_json(sample.total);
  object["tap"] = to_json(sample.tap);
  object["drops_by_reason_per_s"] = ReportJson::object();
  for (const auto& [reason, rate] : sample.drops) object["drops_by_reason_per_s"][reason] = rate;
  return dump_report(object);
}

std::string top_header() {
  return "TIME\tPEER\tSTATE\tRTT\tOUT/S\tOCTETS OUT/S\tIN/S\tOCTETS IN/S\tDROPS/S\n";
}

std::string render_top_lines(const TopSample& sample) {
  const std::string time = format_time(ReportJson(sample.time_ms));
  std::string out;
  for (const TopSample::Peer& peer : sample.peers) {
    add_line(out, time, peer.name, peer.up ? "up" : "down", rtt_text(peer), peer.rates);
  }
  add_line(out, time, "(all)", "", "", sample.total);
  add_line(out, time, "(tap)", "", "", sample.tap);
  return out;
}

std::string render_top_screen(const ReportJson& status, const TopSample& sample, const TextStyle& style) {
  try {
    const ReportJson& peers = status.at("peers");
    std::string out = paint("rove " + clean_cell(status.at("network").get<std::string>()), Tone::Strong, style) +
                      "  node " + clean_cell(status.at("node").get<std::string>()) + "  up " +
                      format_age(status.at("uptime_ms").get<long long>()) + "  peers " +
                      std::to_string(peers.at("up").get<std::uint64_t>()) + "/" +
                      std::to_string(peers.at("known").get<std::uint64_t>()) + "  vms here " +
                      std::to_string(status.at("vms").at("local").get<std::uint64_t>()) + "  q quits\n";
    for (const ReportJson& problem : status.at("problems")) {
      out += paint("problem: " + clean_cell(problem.get<std::string>()), Tone::Bad, style) + '\n';
    }
    out += '\n';
    if (sample.interval_ms == 0) return out + "measuring\n";
    Table table{{"PEER", "STATE", "RTT", "OUT/S", "OUT", "IN/S", "IN", "DROPS/S"}};
    add_row(table, "(all)", "", "", sample.total);
    add_row(table, "(tap)", "", "", sample.tap);
    for (const TopSample::Peer& peer : sample.peers) {
      add_row(table, peer.name, {peer.up ? "up" : "down", peer.up ? Tone::Good : Tone::Bad}, rtt_text(peer),
              peer.rates);
    }
    out += table.to_text(style);
    if (sample.drops.empty()) return out;
    out += "\ndrops/s";
    for (const auto& [reason, rate] : sample.drops) out += "  " + reason + " " + format_rate(rate);
    return out + '\n';
  } catch (const ReportJson::exception&) {
    fail_of_version();
  }
}

}  // namespace rove
