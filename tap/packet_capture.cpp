#include "tap/packet_capture.h"

#include <net/if.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace rove {
namespace {

// The kernel hands over a block when it is full, or after this time.
constexpr int kBlockTimeMs = 100;
constexpr std::uint64_t kBatch = 256;  // then the caller looks for signals
constexpr std::size_t kFileBuffer = 65'536;

using Reason = CaptureFailure::Reason;

struct CloseCapture {
  void operator()(pcap_t* capture) const { pcap_close(capture); }
};
struct CloseDump {
  void operator()(pcap_dumper_t* dump) const { pcap_dump_close(dump); }
};
struct FreeFilter {
  void operator()(bpf_program* program) const { pcap_freecode(program); }
};

Reason reason_of(int status) {
  if (status == PCAP_ERROR_PERM_DENIED) return Reason::NoPermission;
  return status == PCAP_ERROR_NO_SUCH_DEVICE ? Reason::NoDevice : Reason::Other;
}

void activate(pcap_t* capture, const CaptureOptions& options) {
  pcap_set_snaplen(capture, static_cast<int>(options.snaplen));
  pcap_set_timeout(capture, kBlockTimeMs);
  pcap_set_buffer_size(capture, kCaptureBufferSize);
  const int status = pcap_activate(capture);
  // Above zero: a warning, such as that "any" has no promiscuous mode, which nobody asked for.
  if (status < 0) {
    const std::string detail = pcap_geterr(capture);
    throw CaptureFailure(reason_of(status),
                         "open " + options.device + ": " + (detail.empty() ? pcap_statustostr(status) : detail));
  }
  // The older cooked headers do not say which device it was.
  if (options.device == "any" && pcap_set_datalink(capture, DLT_LINUX_SLL2) < 0) {
    throw CaptureFailure(Reason::Other, pcap_geterr(capture));
  }
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  if (pcap_setnonblock(capture, 1, error.data()) < 0) throw CaptureFailure(Reason::Other, error.data());
}

void set_filter(pcap_t* capture, const std::string& filter) {
  bpf_program program{};
  if (pcap_compile(capture, &program, filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) < 0) {
    throw CaptureFailure(Reason::BadFilter, "filter \"" + filter + "\": " + pcap_geterr(capture));
  }
  const std::unique_ptr<bpf_program, FreeFilter> owned{&program};
  if (pcap_setfilter(capture, &program) < 0) throw CaptureFailure(Reason::Other, pcap_geterr(capture));
}

// fopencookie(3): 0 stands for an error.
ssize_t write_cookie(void* cookie, const char* data, size_t size) {
  const auto& write = *static_cast<const PacketCapture::Write*>(cookie);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(data);
  return write(BytesView{octets, size}) ? static_cast<ssize_t>(size) : 0;
}

}  // namespace

struct PacketCapture::Parts {
  std::string device;
  Write write;
  std::unique_ptr<pcap_t, CloseCapture> capture;
  std::unique_ptr<pcap_dumper_t, CloseDump> dump;  // goes first: it flushes into `write`
};

PacketCapture::PacketCapture(const CaptureOptions& options, Write write)
    : parts_(new Parts{.device = options.device, .write = std::move(write), .capture = {}, .dump = {}}) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  parts_->capture.reset(pcap_create(options.device.c_str(), error.data()));
  if (!parts_->capture) throw CaptureFailure(Reason::Other, error.data());
  pcap_t* capture = parts_->capture.get();
  activate(capture, options);
  if (!options.filter.empty()) set_filter(capture, options.filter);
  std::FILE* file = ::fopencookie(&parts_->write, "w", {nullptr, &write_cookie, nullptr, nullptr});
  if (file == nullptr) throw CaptureFailure(Reason::Other, "open a stream: out of memory");
  (void)std::setvbuf(file, nullptr, _IOFBF, kFileBuffer);  // without it the stream is slower, not wrong
  parts_->dump.reset(pcap_dump_fopen(capture, file));      // closes the file, also when it fails
  if (!parts_->dump) throw CaptureFailure(Reason::Other, pcap_geterr(capture));
  (void)pcap_dump_flush(parts_->dump.get());  // should it fail, the first copy() fails too
}

PacketCapture::~PacketCapture() = default;

std::optional<std::uint64_t> PacketCapture::copy(std::uint64_t count_max) {
  const int wanted = static_cast<int>(std::min(count_max, kBatch));
  auto* dump = reinterpret_cast<u_char*>(parts_->dump.get());
  const int count = pcap_dispatch(parts_->capture.get(), wanted, &pcap_dump, dump);
  if (count < 0) {
    const bool gone = parts_->device != "any" && ::if_nametoindex(parts_->device.c_str()) == 0;
    throw CaptureFailure(gone ? Reason::NoDevice : Reason::Other,
                         "capture at " + parts_->device + ": " + pcap_geterr(parts_->capture.get()));
  }
  // stdio remembers a failed write, also one that copied a part of this batch.
  if (pcap_dump_flush(parts_->dump.get()) < 0 || std::ferror(pcap_dump_file(parts_->dump.get())) != 0) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(count);
}

int PacketCapture::fd() const {
  return pcap_get_selectable_fd(parts_->capture.get());
}

std::uint64_t PacketCapture::dropped() const {
  pcap_stat stats{};
  // Fails only when the device is gone: then nobody knows.
  if (pcap_stats(parts_->capture.get(), &stats) < 0) return 0;
  return stats.ps_drop;
}

}  // namespace rove
