#include "cli/command/doctor_verbs.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <ostream>
#include <sstream>
#include <system_error>
#include <vector>

#include "cli/base/file_io.h"
#include "cli/doctor/bugreport.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/gather.h"
#include "cli/doctor/netcheck.h"
#include "cli/doctor/run_program.h"
#include "cli/report/render.h"
#include "rove_version.h"

namespace rove {
namespace {

constexpr std::chrono::seconds kJournalPatience{10};
constexpr const char* kJournalctl = "/usr/bin/journalctl";
constexpr const char* kLogLines = "300";
constexpr TextStyle kAligned{.terminal = true, .color = false};

std::string utc(WallTime time, const char* format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

// The file, or why it cannot be had.
std::string read_or_reason(const std::filesystem::path& file) {
  try {
    return read_file(file).value_or("(no such file)");
  } catch (const std::exception& error) {
    return std::string{"("} + error.what() + ")";
  }
}

std::string distribution() {
  std::istringstream lines{read_or_reason("/etc/os-release")};
  constexpr std::string_view kName = "PRETTY_NAME=";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kName)) return line.substr(kName.size());
  }
  return "unknown";
}

std::string describe_host(const Facts& facts) {
  utsname kernel{};
  static_cast<void>(::uname(&kernel));  // fails for a bad pointer only
  const std::string commit = ROVE_COMMIT;
  std::ostringstream out;
  out << "time          " << utc(facts.now, "%Y-%m-%dT%H:%M:%SZ") << '\n'
      << "rove          " << ROVE_VERSION << (commit.empty() ? "" : " (" + commit + ")") << '\n'
      << "daemon        " << (facts.daemon ? facts.daemon->version : facts.daemon_problem) << '\n'
      << "network       " << facts.network << '\n'
      << "kernel        " << kernel.sysname << ' ' << kernel.release << ' ' << kernel.machine << '\n'
      << "distribution  " << distribution() << '\n'
      << "processors    " << ::sysconf(_SC_NPROCESSORS_ONLN) << '\n'
      << "user          " << ::geteuid() << '\n';
  return out.str();
}

std::string render_answer(ControlVerb verb, const std::string& data) {
  if (data.empty()) return {};
  try {
    return render(verb, data, {.style = kAligned, .counters = true});
  } catch (const Failure& failure) {
    return std::string{failure.what()} + "\n" + data;
  }
}

std::string log_tail() {
  // By the program's name: whatever the service is called.
  const auto journal =
      run_program({kJournalctl, "--quiet", "--no-pager", "--output=short-iso", "--lines", kLogLines, "_COMM=rove"},
                  kJournalPatience);
  if (!journal) return "(journalctl did not run; the log is where the daemon's standard error goes)";
  return journal->output + journal->errors;
}

std::vector<KeptSecret> secrets_of(const Facts& facts) {
  std::vector<KeptSecret> all;
  for (const auto& file : {facts.credential.file, facts.credential.authority_file}) {
    for (KeptSecret& secret : find_secrets(read_or_reason(file))) all.push_back(std::move(secret));
  }
  return all;
}

std::string make_bugreport(const Facts& facts, const DaemonAnswers& answers) {
  const std::string text = format_sections({{"host", describe_host(facts)},
                                            {"doctor", render_findings(check_all(facts), kAligned)},
                                            {"netcheck", render_netcheck(facts, kAligned)},
                                            {"status", render_answer(ControlVerb::Status, answers.status)},
                                            {"peers", render_answer(ControlVerb::Peers, answers.peers)},
                                            {"vms", render_answer(ControlVerb::Vms, answers.vms)},
                                            {"configuration", strip_comments(read_or_reason(facts.config.file))},
                                            {"log", log_tail()}});
  return leave_out(text, secrets_of(facts));
}

}  // namespace

ExitStatus run_doctor(const DiagnosisTask& task, Console& console) {
  const Facts facts = gather_facts(task.paths, task.network, ask_daemon(task.paths, task.network));
  const Findings findings = check_all(facts);
  if (task.json) {
    console.out << report_findings(task.network, facts.daemon.has_value(), findings) << '\n';
  } else {
    console.out << render_findings(findings, console.style);
  }
  return count(findings, Severity::Fail) == 0 ? ExitStatus::Ok : ExitStatus::Failure;
}

ExitStatus run_netcheck(const DiagnosisTask& task, Console& console) {
  const Facts facts = gather_facts(task.paths, task.network, ask_daemon(task.paths, task.network));
  if (task.json) {
    console.out << report_netcheck(facts) << '\n';
  } else {
    console.out << render_netcheck(facts, console.style);
  }
  return ExitStatus::Ok;
}

ExitStatus run_bugreport(const DiagnosisTask& task, const std::optional<std::string>& output, Console& console) {
  const DaemonAnswers answers = ask_daemon(task.paths, task.network);
  const Facts facts = gather_facts(task.paths, task.network, answers);
  const std::string report = make_bugreport(facts, answers);
  if (output == "-") {
    console.out << report;
    return ExitStatus::Ok;
  }
  const std::string file = output.value_or("rove-" + task.network + "-" + utc(facts.now, "%Y%m%dT%H%M%SZ") + ".txt");
  if (!create_file(file, report, 0600)) {
    throw Failure(ExitStatus::Conflict, "bugreport", file + " exists; it is not overwritten", "-o ANOTHER FILE");
  }
  console.out << "wrote: " << file << '\n';
  console.errors << "next: read it before you pass it on; it holds addresses and names, and no keys\n";
  return ExitStatus::Ok;
}

}  // namespace rove
