#include "auth/server_auth.hpp"

#include "auth/md5.hpp"
#include "auth/stored_secret.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pgweir::auth {

namespace {

using request = protocol::authentication_request;

/// Methods that PostgreSQL has and we have not, by the number on the wire.
std::string_view method_name(std::int32_t code) noexcept {
    switch (code) {
        case 2:
            return "Kerberos V5";
        case 6:
            return "SCM credentials";
        case 7:
        case 8:
            return "GSSAPI";
        case 9:
            return "SSPI";
        default:
            return "unknown";
    }
}

}  // namespace

server_auth::server_auth(
    server_credentials credentials, scram_client_cache* cache, std::string nonce
)
    : credentials_(std::move(credentials)), cache_(cache), nonce_(std::move(nonce)) {}

server_auth::step server_auth::on_request(const request& message, std::string& out) {
    switch (message.what) {
        case request::kind::ok:
            return on_ok();
        case request::kind::cleartext:
            return on_cleartext(out);
        case request::kind::md5:
            return on_md5(message, out);
        case request::kind::sasl:
            return on_sasl(message, out);
        case request::kind::sasl_continue:
            return on_sasl_continue(message, out);
        case request::kind::sasl_final:
            return on_sasl_final(message);
        case request::kind::unsupported:
            return fail(fmt::format(
                "server asks for an authentication method that is not supported: {} ({})",
                method_name(message.code),
                message.code
            ));
        case request::kind::malformed:
            break;
    }
    return fail("server sent a malformed authentication request");
}

server_auth::step server_auth::on_ok() {
    switch (state_) {
        case state::begun:
        case state::answered:
        case state::sasl_verified:
            state_ = state::over;
            return step::done;
        case state::sasl_first:
        case state::asking:
        case state::sasl_final:
            return fail(
                "server ended the SCRAM exchange without proving that it knows the user's secret: "
                "it may not be the server that it should be"
            );
        case state::over:
            break;
    }
    return out_of_order();
}

server_auth::step server_auth::on_cleartext(std::string& out) {
    if (state_ != state::begun) {
        return out_of_order();
    }
    if (credentials_.password.empty()) {
        return no_password();
    }
    if (classify(credentials_.password.view()) != secret_kind::plain) {
        return hashed_password("the password itself");
    }
    protocol::put_password(out, credentials_.password.view());
    state_ = state::answered;
    return step::send_and_wait;
}

server_auth::step server_auth::on_md5(const request& message, std::string& out) {
    if (state_ != state::begun) {
        return out_of_order();
    }
    if (credentials_.password.empty()) {
        return no_password();
    }
    if (classify(credentials_.password.view()) == secret_kind::scram) {
        return hashed_password("an md5 password");
    }
    std::string response =
        md5_response(credentials_.password.view(), credentials_.user, message.data);
    protocol::put_password(out, response);
    pgweir::wipe(response);
    state_ = state::answered;
    return step::send_and_wait;
}

server_auth::step server_auth::on_sasl(const request& message, std::string& out) {
    if (state_ != state::begun) {
        return out_of_order();
    }
    const auto& offered = message.mechanisms;
    const auto offers = [&](std::string_view mechanism) {
        return std::find(offered.begin(), offered.end(), mechanism) != offered.end();
    };
    const bool bound = !end_point_.empty() && offers(scram_plus_mechanism);
    if (!bound && !offers(scram_mechanism)) {
        return fail(fmt::format(
            "server offers no SASL mechanism that is supported: it has {}, and not {}",
            fmt::join(offered, ", "),
            scram_mechanism
        ));
    }
    const std::string_view password = credentials_.password.view();
    if (!password.empty() && classify(password) == secret_kind::plain) {
        scram_.emplace(credentials_.password, credentials_.user, cache_, nonce_);
    } else if (credentials_.keys) {
        scram_.emplace(*credentials_.keys, nonce_);
    } else {
        return password.empty() ? no_password() : hashed_password("a SCRAM password");
    }
    if (!end_point_.empty()) {
        using use = channel_binding::use;
        scram_->bind({bound ? use::chosen : use::possible, end_point_});
    }
    const auto first = scram_->first();
    protocol::put_sasl_initial_response(
        out, bound ? scram_plus_mechanism : scram_mechanism, *first
    );
    state_ = state::sasl_first;
    return step::send_and_wait;
}

server_auth::step server_auth::on_sasl_continue(const request& message, std::string& out) {
    if (state_ != state::sasl_first) {
        return out_of_order();
    }
    if (auto wanted = scram_->wanted_keys(message.data)) {
        server_first_ = message.data;
        question_.emplace(*std::move(wanted));
        state_ = state::asking;
        return step::ask;
    }
    return answer_challenge(message.data, out);
}

slow_question server_auth::take_question() {
    slow_question taken = *std::move(question_);
    question_.reset();
    return taken;
}

server_auth::step server_auth::on_answer(const slow_answer& answer, std::string& out) {
    if (!answer.keys) {
        return fail("too many log-ins wait for the keys of their passwords");
    }
    scram_->use_keys(*answer.keys);
    return answer_challenge(server_first_, out);
}

server_auth::step server_auth::answer_challenge(std::string_view server_first, std::string& out) {
    const auto reply = scram_->next(server_first);
    if (!reply) {
        return fail(reply.error().message);
    }
    protocol::put_sasl_response(out, *reply);
    state_ = state::sasl_final;
    return step::send_and_wait;
}

server_auth::step server_auth::on_sasl_final(const request& message) {
    if (state_ != state::sasl_final) {
        return out_of_order();
    }
    const auto verified = scram_->verify(message.data);
    if (!verified) {
        return fail(verified.error().message);
    }
    state_ = state::sasl_verified;
    return step::send_and_wait;
}

server_auth::step server_auth::out_of_order() {
    return fail("server sent authentication requests out of order");
}

server_auth::step server_auth::no_password() {
    if (credentials_.keys) {
        return fail(fmt::format(
            "server asks for a password, but of user \"{}\" only the SCRAM keys of its log-in are "
            "known: let the server ask for scram-sha-256, or put the password into auth_file or "
            "the database's password=",
            credentials_.user
        ));
    }
    return fail(fmt::format(
        "server asks for a password, but none is known for user \"{}\": put it into auth_file or "
        "the database's password=",
        credentials_.user
    ));
}

server_auth::step server_auth::hashed_password(std::string_view asked) {
    const bool md5 = classify(credentials_.password.view()) == secret_kind::md5;
    return fail(fmt::format(
        "server asks for {}, but of user \"{}\" only {} is known: put the password itself into "
        "auth_file or the database's password={}",
        asked,
        credentials_.user,
        md5 ? "its md5 secret" : "its SCRAM secret",
        md5 ? "" : ", or let clients log in with scram-sha-256"
    ));
}

server_auth::step server_auth::fail(std::string why) {
    state_ = state::over;
    why_ = std::move(why);
    return step::failed;
}

}  // namespace pgweir::auth
