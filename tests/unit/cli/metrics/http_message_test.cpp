#include "cli/metrics/http_message.h"

#include <doctest/doctest.h>

#include <optional>

namespace rove {
namespace {

using State = HttpRequestReader::State;

constexpr std::string_view kRequest =
    "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: text/plain;version=0.0.4\r\nAccept-Encoding: gzip\r\n\r\n";

// How a request is refused; nullopt: it is not.
std::optional<HttpStatus> refusal_of(std::string_view text) {
  HttpRequestReader reader;
  if (reader.feed(text) != State::Refused) return std::nullopt;
  return reader.refusal();
}

}  // namespace

TEST_CASE("HttpRequestReader: a request is read, however its octets come") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, kRequest.size()}) {
    CAPTURE(step);
    HttpRequestReader reader;
    State state = State::Incomplete;
    for (std::size_t at = 0; at < kRequest.size(); at += step) {
      CHECK(state == State::Incomplete);
      state = reader.feed(kRequest.substr(at, step));
    }
    REQUIRE(state == State::Complete);
    CHECK(reader.path() == "/metrics");
  }
}

TEST_CASE("HttpRequestReader: every shorter prefix is incomplete") {
  for (std::size_t size = 0; size < kRequest.size(); ++size) {
    HttpRequestReader reader;
    CHECK(reader.feed(kRequest.substr(0, size)) == State::Incomplete);
  }
}

TEST_CASE("HttpRequestReader: another method, a body, and what is no request are refused") {
  CHECK(refusal_of("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == HttpStatus::MethodNotAllowed);
  CHECK(refusal_of("HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n") == HttpStatus::MethodNotAllowed);
  CHECK(refusal_of("PROPFIND / HTTP/1.1\r\n\r\n") == HttpStatus::MethodNotAllowed);
  CHECK(refusal_of("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n") == HttpStatus::PayloadTooLarge);
  CHECK(refusal_of("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == HttpStatus::PayloadTooLarge);
  for (const char* text : {"hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\xfc",
                           "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    CAPTURE(text);
    CHECK(refusal_of(text) == HttpStatus::BadRequest);
  }
}

TEST_CASE("HttpRequestReader: a head beyond the limit is refused, in one piece and in many") {
  const std::string line = "X-Filler: " + std::string(100, 'x') + "\r\n";
  std::string text = "GET /metrics HTTP/1.1\r\n";
  for (int i = 0; i < 200; ++i) text += line;
  CHECK(refusal_of(text) == HttpStatus::HeadersTooLarge);
  CHECK(refusal_of("GET /" + std::string(20'000, 'x')) == HttpStatus::HeadersTooLarge);

  HttpRequestReader reader;
  std::size_t taken = 0;
  State state = reader.feed("GET /metrics HTTP/1.1\r\n");
  for (; state == State::Incomplete && taken < 200 * line.size(); taken += line.size()) state = reader.feed(line);
  CHECK(state == State::Refused);
  CHECK(reader.refusal() == HttpStatus::HeadersTooLarge);
  CHECK(taken <= 2 * kHttpHeaderMax);
}

TEST_CASE("encode_http_response: an answer that says how long it is, and that it is the last") {
  const std::string text = encode_http_response(HttpStatus::Ok, "text/plain", "body\n");

  CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(text.find("\r\nContent-Type: text/plain\r\n") != std::string::npos);
  CHECK(text.find("\r\nContent-Length: 5\r\n") != std::string::npos);
  CHECK(text.find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(text.ends_with("\r\n\r\nbody\n"));
  CHECK(encode_http_response(HttpStatus::MethodNotAllowed, "text/plain", "").find("\r\nAllow: GET\r\n") !=
        std::string::npos);
}

}  // namespace rove
