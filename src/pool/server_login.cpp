#include "pool/server_login.hpp"

#include "protocol/startup.hpp"

#include <fmt/format.h>

namespace pgweir::pool {

namespace {

/// Parameters that one server reports; a real one has about fifteen.
constexpr std::size_t welcome_limit = 64 * 1024;

}  // namespace

server_login::server_login(
    login_request request, parameter_store& store, auth::scram_client_cache* cache
)
    : request_(std::move(request)),
      store_(store),
      auth_(request_.credentials, cache),
      values_(store.empty()->values()),
      parameters_(store.empty()) {}

void server_login::start(std::string& out) const {
    protocol::put_startup(out, request_.startup);
}

server_login::outcome server_login::on_message(char type, std::string_view body, std::string& out) {
    switch (type) {
        case 'R':
            return on_authentication(body, out);
        case 'E':
            return on_error(body);
        case 'N':
            return outcome::wait;
        default:
            break;
    }
    if (!authenticated_) {
        return fail(fmt::format("message '{}' before the log-in was over", type));
    }
    switch (type) {
        case 'S':
            return on_parameter(body);
        case 'K':
            if (const auto key = protocol::read_backend_key(body)) {
                key_ = *key;
                return outcome::wait;
            }
            return fail("a BackendKeyData message that is none");
        case 'Z':
            parameters_ = store_.intern(values_);
            return outcome::ready;
        default:
            return fail(fmt::format("unexpected message '{}' at log-in", type));
    }
}

server_login::outcome server_login::on_authentication(std::string_view body, std::string& out) {
    if (authenticated_) {
        return fail("a second authentication");
    }
    return take(auth_.on_request(protocol::read_authentication(body), out));
}

server_login::outcome server_login::on_answer(const auth::slow_answer& answer, std::string& out) {
    return auth_.asking() ? take(auth_.on_answer(answer, out)) : outcome::wait;
}

server_login::outcome server_login::take(auth::server_auth::step next) {
    switch (next) {
        case auth::server_auth::step::send_and_wait:
            return outcome::wait;
        case auth::server_auth::step::ask:
            return outcome::ask;
        case auth::server_auth::step::done:
            authenticated_ = true;
            return outcome::wait;
        case auth::server_auth::step::failed:
            break;
    }
    return fail(auth_.why());
}

server_login::outcome server_login::on_parameter(std::string_view body) {
    const auto parameter = protocol::read_parameter_status(body);
    if (!parameter || welcome_.size() > welcome_limit) {
        return fail("a ParameterStatus message that is none");
    }
    if (const auto index = store_.index_of(parameter->name)) {
        values_[*index] = parameter->value;
    }
    protocol::put_parameter_status(welcome_, parameter->name, parameter->value);
    return outcome::wait;
}

server_login::outcome server_login::on_error(std::string_view body) {
    const protocol::error_fields error = protocol::read_error(body);
    sqlstate_ = error.sqlstate;
    return fail(error.message.empty() ? "an error without a text" : std::string(error.message));
}

server_login::outcome server_login::fail(std::string why) {
    why_ = std::move(why);
    return outcome::failed;
}

}  // namespace pgweir::pool
