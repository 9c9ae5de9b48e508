#include "cli/metrics/http_message.h"

#include <utility>  // before Beast: Boost 1.74 takes std::exchange from there, and does not say so

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <sstream>

namespace rove {

namespace http = boost::beast::http;

struct HttpRequestReader::Parser {
  http::request_parser<http::empty_body> request;
};

HttpRequestReader::HttpRequestReader() : parser_(std::make_unique<Parser>()) {
  parser_->request.header_limit(kHttpHeaderMax);
}

HttpRequestReader::~HttpRequestReader() = default;

HttpRequestReader::State HttpRequestReader::refuse(HttpStatus status) {
  refusal_ = status;
  state_ = State::Refused;
  return state_;
}

HttpRequestReader::State HttpRequestReader::feed(std::string_view octets) {
  if (state_ != State::Incomplete) return state_;
  pending_ += octets;
  auto& request = parser_->request;
  boost::beast::error_code error;
  pending_.erase(0, request.put(boost::asio::buffer(pending_), error));
  // What it cannot use yet it leaves, and that is no part of what it counts against the limit.
  if (error == http::error::header_limit || pending_.size() > kHttpHeaderMax) {
    return refuse(HttpStatus::HeadersTooLarge);
  }
  if (error && error != http::error::need_more) return refuse(HttpStatus::BadRequest);
  if (!request.is_header_done()) return state_;
  if (request.get().method() != http::verb::get) return refuse(HttpStatus::MethodNotAllowed);
  if (!request.is_done()) return refuse(HttpStatus::PayloadTooLarge);  // a body follows
  state_ = State::Complete;
  return state_;
}

std::string HttpRequestReader::path() const {
  const auto target = parser_->request.get().target();
  const std::string_view text{target.data(), target.size()};
  return std::string{text.substr(0, text.find('?'))};
}

std::string encode_http_response(HttpStatus status, std::string_view content_type, std::string body) {
  http::response<http::string_body> response{static_cast<http::status>(status), 11};
  response.set(http::field::content_type, boost::beast::string_view{content_type.data(), content_type.size()});
  response.set(http::field::cache_control, "no-store");
  if (status == HttpStatus::MethodNotAllowed) response.set(http::field::allow, "GET");
  response.keep_alive(false);
  response.body() = std::move(body);
  response.prepare_payload();
  std::ostringstream out;
  out << response;
  return out.str();
}

}  // namespace rove
