#include "auth/client_auth.hpp"

#include "auth/md5.hpp"
#include "protocol/message.hpp"

namespace pgweir::auth {

client_auth::client_auth(const client_auth_request& request)
    : method_(request.method),
      user_(request.user),
      user_exists_(request.stored != nullptr),
      identity_proved_(request.identity_proved),
      stored_(user_exists_ ? *request.stored : secret()),
      kind_(stored_.empty() ? request.unknown_as : classify(stored_.view())),
      verifiers_(request.verifiers),
      scram_iterations_(request.scram_iterations),
      pam_service_(request.pam_service),
      host_(request.host),
      ldap_(request.ldap),
      end_point_(request.end_point) {}

client_auth::step client_auth::start(std::string& out) {
    switch (method_) {
        case auth_method::any:
            return accept();
        case auth_method::trust:
            return user_exists_ ? accept() : refuse(errc::trust_failed);
        case auth_method::cert:
            return user_exists_ && identity_proved_ ? accept() : refuse(errc::certificate_failed);
        case auth_method::peer:
            return user_exists_ && identity_proved_ ? accept() : refuse(errc::peer_failed);
        case auth_method::plain:
        case auth_method::pam:
        case auth_method::ldap:
            protocol::put_authentication_cleartext(out);
            state_ = state::plain;
            return step::send_and_wait;
        case auth_method::md5:
            return kind_ == secret_kind::scram ? start_sasl(out) : start_md5(out);
        case auth_method::scram:
            return start_sasl(out);
        case auth_method::reject:
            return refuse(errc::hba_reject);
    }
    return refuse(errc::hba_reject);
}

client_auth::step client_auth::on_password_message(std::string_view body, std::string& out) {
    switch (state_) {
        case state::plain:
            return on_plain(body);
        case state::md5:
            return on_md5(body);
        case state::sasl_mechanism:
            return on_mechanism(body, out);
        case state::sasl_proof:
            return on_proof(body, out);
        case state::idle:
        case state::asking_plain:
        case state::asking_secret:
        case state::over:
            break;
    }
    return refuse(errc::malformed_message);
}

client_auth::step client_auth::start_md5(std::string& out) {
    md5_salt_ = make_md5_salt();
    protocol::put_authentication_md5(out, md5_salt_);
    state_ = state::md5;
    return step::send_and_wait;
}

client_auth::step client_auth::start_sasl(std::string& out) {
    if (end_point_.empty()) {
        protocol::put_authentication_sasl(out, {scram_mechanism});
    } else {
        protocol::put_authentication_sasl(out, {scram_plus_mechanism, scram_mechanism});
    }
    state_ = state::sasl_mechanism;
    return step::send_and_wait;
}

client_auth::step client_auth::ask(state during, slow_question question) {
    state_ = during;
    question_.emplace(std::move(question));
    return step::ask;
}

slow_question client_auth::take_question() {
    slow_question taken = *std::move(question_);
    question_.reset();
    return taken;
}

client_auth::step client_auth::on_answer(const slow_answer& answer, std::string& out) {
    detail_ = answer.why;
    if (answer.full) {
        return refuse(errc::too_many_logins);
    }
    if (state_ == state::asking_secret && answer.verifier) {
        return start_scram(*answer.verifier, sasl_first_, out);
    }
    return decide_plain(state_ == state::asking_plain && answer.fits);
}

client_auth::step client_auth::on_plain(std::string_view body) {
    const auto password = protocol::read_password(body);
    if (!password) {
        return refuse(errc::malformed_message);
    }
    if (password->empty()) {
        return refuse(errc::empty_password);
    }
    password_.emplace(*password);
    if (method_ == auth_method::pam) {
        return ask(state::asking_plain, ask_pam{pam_service_, user_, *password_, host_});
    }
    if (method_ == auth_method::ldap) {
        return ask(state::asking_plain, ask_ldap{ldap_, user_, *password_});
    }
    // A user without a secret has the work done for one that is never right.
    const bool known = !stored_.empty();
    switch (kind_) {
        case secret_kind::plain:
            return decide_plain(
                equal_in_constant_time(*password, known ? stored_.view() : *password) && known
            );
        case secret_kind::md5: {
            const std::string hashed = md5_secret(user_, *password);
            return decide_plain(
                equal_in_constant_time(hashed, known ? stored_.view() : hashed) && known
            );
        }
        case secret_kind::scram:
            break;
    }
    return ask(
        state::asking_plain,
        check_password{
            known ? *parse_scram_secret(stored_.view())
                  : verifiers_->mock(user_, scram_iterations_),
            *password_}
    );
}

client_auth::step client_auth::decide_plain(bool fits) {
    if (method_ == auth_method::pam || method_ == auth_method::ldap) {
        const errc refusal = method_ == auth_method::pam ? errc::pam_failed : errc::ldap_failed;
        return fits ? accept() : refuse(refusal);
    }
    return fits && !stored_.empty() ? accept() : refuse(errc::wrong_password);
}

client_auth::step client_auth::on_md5(std::string_view body) {
    const auto response = protocol::read_password(body);
    if (!response) {
        return refuse(errc::malformed_message);
    }
    if (response->empty()) {
        return refuse(errc::empty_password);
    }
    // A user without a secret has the work of hashing done for one that is never right.
    const bool known = !stored_.empty();
    const std::string_view stored = known ? stored_.view() : "no secret";
    if (!md5_matches(*response, stored, user_, md5_salt_) || !known) {
        return refuse(errc::wrong_password);
    }
    return accept();
}

client_auth::step client_auth::on_mechanism(std::string_view body, std::string& out) {
    const auto initial = protocol::read_sasl_initial(body);
    bound_ = initial && initial->mechanism == scram_plus_mechanism && !end_point_.empty();
    if (!initial || (!bound_ && initial->mechanism != scram_mechanism)) {
        return refuse(errc::malformed_message);
    }
    if (scram_mode() == scram_server::mode::real && kind_ == secret_kind::scram) {
        return start_scram(*parse_scram_secret(stored_.view()), initial->data, out);
    }
    if (kind_ != secret_kind::plain) {
        return start_scram(verifiers_->mock(user_, scram_iterations_), initial->data, out);
    }
    // The secret is to be made of a plain password, or it must look so.
    if (const auto made = verifiers_->find(user_, stored_, scram_iterations_); made) {
        return start_scram(*made, initial->data, out);
    }
    if (stored_.empty() && verifiers_->knows_mock(user_)) {
        return start_scram(verifiers_->mock(user_, scram_iterations_), initial->data, out);
    }
    sasl_first_ = initial->data;
    return ask(
        state::asking_secret, derive_verifier{verifiers_, user_, stored_, scram_iterations_}
    );
}

/// Whether somebody can get in: not without a secret, nor with an md5 secret, which SCRAM cannot
/// use.
scram_server::mode client_auth::scram_mode() const noexcept {
    const bool usable = !stored_.empty() && kind_ != secret_kind::md5;
    return usable ? scram_server::mode::real : scram_server::mode::mock;
}

client_auth::step client_auth::start_scram(
    scram_secret known, std::string_view client_first, std::string& out
) {
    scram_.emplace(std::move(known), scram_mode());
    if (!end_point_.empty()) {
        using use = channel_binding::use;
        scram_->bind({bound_ ? use::chosen : use::possible, end_point_});
    }
    const auto reply = scram_->first(client_first);
    if (!reply) {
        return refuse(errc::wrong_scram);
    }
    protocol::put_authentication_sasl_continue(out, *reply);
    state_ = state::sasl_proof;
    return step::send_and_wait;
}

client_auth::step client_auth::on_proof(std::string_view body, std::string& out) {
    const auto done = scram_->finish(body);
    if (!done) {
        return refuse(errc::wrong_scram);
    }
    protocol::put_authentication_sasl_final(out, done->server_final);
    // The verifier of a plain secret has a salt of our own, so its keys open no server.
    if (kind_ == secret_kind::scram) {
        keys_ = done->keys;
    }
    return accept();
}

client_auth::step client_auth::accept() noexcept {
    state_ = state::over;
    return step::accepted;
}

client_auth::step client_auth::refuse(errc code) noexcept {
    state_ = state::over;
    password_.reset();
    why_ = code;
    return step::refused;
}

}  // namespace pgweir::auth
