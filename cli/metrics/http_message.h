// HTTP/1 as the metrics endpoint needs it: requests without a body, answers that end the connection. By Boost.Beast,
// without its sockets.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace rove {

enum class HttpStatus : unsigned {
  Ok = 200,
  BadRequest = 400,
  NotFound = 404,
  MethodNotAllowed = 405,
  PayloadTooLarge = 413,
  HeadersTooLarge = 431,
  Unavailable = 503,
};

// Reads one request, of at most kHttpHeaderMax octets; what follows it is not looked at.
inline constexpr std::size_t kHttpHeaderMax = 8192;

class HttpRequestReader {
 public:
  enum class State { Incomplete, Complete, Refused };

  HttpRequestReader();
  ~HttpRequestReader();
  HttpRequestReader(const HttpRequestReader&) = delete;
  HttpRequestReader& operator=(const HttpRequestReader&) = delete;

  // Takes more octets; once it is not Incomplete any more, they change nothing.
  State feed(std::string_view octets);
  // Of a complete request: what was asked for, without the query behind '?'.
  [[nodiscard]] std::string path() const;
  // Of a refused one.
  [[nodiscard]] HttpStatus refusal() const { return refusal_; }

 private:
  struct Parser;
  State refuse(HttpStatus status);

  std::unique_ptr<Parser> parser_;
  std::string pending_;  // not parsed yet
  State state_ = State::Incomplete;
  HttpStatus refusal_ = HttpStatus::BadRequest;
};

[[nodiscard]] std::string encode_http_response(HttpStatus status, std::string_view content_type, std::string body);

}  // namespace rove
