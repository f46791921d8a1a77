#include "session/client_login.hpp"

#include "config/values.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "session/known_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace pgweir::session {

namespace {

using protocol::startup_frame;
using protocol::startup_packet;

/// The longest message of the authentication: a token or a SASL message is far below it.
constexpr std::uint32_t password_limit = 64 * 1024;

std::int32_t int32_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; i++) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return static_cast<std::int32_t>(value);
}

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y);
    });
}

/// As PostgreSQL reads it; nothing if it is neither.
std::optional<replication_kind> replication_of(std::string_view value) {
    const auto is = [&](std::string_view word) { return same_word(value, word); };
    if (value == "database") {
        return replication_kind::logical;
    }
    if (is("true") || is("on") || is("yes") || is("t") || is("y") || value == "1") {
        return replication_kind::physical;
    }
    if (is("false") || is("off") || is("no") || is("f") || is("n") || value == "0") {
        return replication_kind::none;
    }
    return std::nullopt;
}

/// What PgBouncer applies even if it is told to ignore it.
bool decides_meaning(std::string_view name) {
    constexpr std::string_view names[] = {
        "client_encoding",
        "DateStyle",
        "TimeZone",
        "standard_conforming_strings",
        "application_name",
    };
    return std::any_of(std::begin(names), std::end(names), [&](std::string_view known) {
        return same_word(known, name);
    });
}

auth::auth_method method_of(config::auth_type type) {
    switch (type) {
        case config::auth_type::any:
            return auth::auth_method::any;
        case config::auth_type::trust:
            return auth::auth_method::trust;
        case config::auth_type::plain:
            return auth::auth_method::plain;
        case config::auth_type::md5:
            return auth::auth_method::md5;
        case config::auth_type::scram_sha_256:
            return auth::auth_method::scram;
        case config::auth_type::cert:
            return auth::auth_method::cert;
        case config::auth_type::ldap:
            return auth::auth_method::ldap;
        case config::auth_type::pam:
            return auth::auth_method::pam;
        case config::auth_type::hba:
            break;
    }
    return auth::auth_method::reject;
}

}  // namespace

std::uint64_t cancel_key(std::int32_t process_id, std::int32_t secret_key) noexcept {
    return std::uint64_t{static_cast<std::uint32_t>(process_id)} << 32 |
           static_cast<std::uint32_t>(secret_key);
}

client_login::client_login(
    runtime_ptr settings,
    const pool::parameter_store& parameters,
    auth::scram_verifier_cache& verifiers,
    connection_facts facts
)
    : settings_(std::move(settings)),
      parameters_(parameters),
      verifiers_(verifiers),
      facts_(std::move(facts)) {}

client_login::outcome client_login::feed(std::string_view bytes, room now, std::string& out) {
    room_ = now;
    received_.append(bytes);
    return proceed(out);
}

client_login::outcome client_login::proceed(std::string& out) {
    for (;;) {
        const std::size_t before = received_.size();
        outcome result = outcome::wait;
        switch (stage_) {
            case stage::startup:
                result = on_startup(out);
                break;
            case stage::authenticating:
                result = on_password(out);
                break;
            case stage::looking_up:
            case stage::naming:
            case stage::asking:
            case stage::over:
                return outcome::wait;
        }
        if (result != outcome::wait) {
            return after(result, out);
        }
        if (received_.empty() || received_.size() == before) {
            return outcome::wait;
        }
    }
}

/// What a step has led to; if it is to wait for the client, what the client has sent meanwhile
/// counts.
client_login::outcome client_login::after(outcome result, std::string& out) {
    switch (result) {
        case outcome::wait:
            return proceed(out);
        case outcome::start_tls:
        case outcome::lookup:
        case outcome::ask:
            return result;
        case outcome::cancel:
        case outcome::admitted:
        case outcome::refused:
            break;
    }
    stage_ = stage::over;
    return result;
}

// The startup packet.

client_login::outcome client_login::on_startup(std::string& out) {
    const startup_frame frame = protocol::frame_startup(received_);
    switch (frame.what) {
        case startup_frame::state::incomplete:
            return outcome::wait;
        case startup_frame::state::complete:
            break;
        case startup_frame::state::tls_hello:
            return on_tls_hello();
        case startup_frame::state::typed_message:
            return refuse(errc::password_before_startup, {}, out);
        case startup_frame::state::malformed:
            return refuse(errc::malformed_startup, {}, out);
    }
    const std::string packet = received_.substr(0, frame.size);
    received_.erase(0, frame.size);
    const protocol::startup_result read = protocol::read_startup(packet);
    if (!read.packet) {
        return refuse(read.error.code, read.error.addition, out);
    }
    switch (read.packet->what) {
        case startup_packet::kind::ssl_request:
        case startup_packet::kind::gssenc_request:
            return on_encryption_request(read.packet->what, out);
        case startup_packet::kind::cancel_request:
            if (read.packet->secret_key.size() != 4) {
                return outcome::refused;
            }
            cancel_key_ =
                session::cancel_key(read.packet->process_id, int32_at(read.packet->secret_key, 0));
            return outcome::cancel;
        case startup_packet::kind::startup:
            break;
    }
    return on_parameters(*read.packet, out);
}

void client_login::secured(tls_facts found) {
    tls_ = std::move(found);
    tls_asked_ = true;
    gss_asked_ = true;
}

/// The handshake without a question before it.
client_login::outcome client_login::on_tls_hello() {
    if (settings_->client_tls == nullptr || facts_.local || tls_asked_ || gss_asked_) {
        reason_ = "TLS handshake, but TLS is not enabled";
        return outcome::refused;
    }
    direct_ = true;
    return outcome::start_tls;
}

client_login::outcome client_login::on_encryption_request(
    startup_packet::kind what, std::string& out
) {
    if (!received_.empty()) {
        // Taking them would let somebody on the way put words into the client's mouth.
        return refuse(
            what == startup_packet::kind::ssl_request ? errc::data_before_tls
                                                      : errc::data_before_gssenc,
            {},
            out
        );
    }
    bool& asked = what == startup_packet::kind::ssl_request ? tls_asked_ : gss_asked_;
    if (std::exchange(asked, true)) {
        return refuse(errc::unsupported_protocol, {}, out);
    }
    if (what == startup_packet::kind::ssl_request && settings_->client_tls != nullptr &&
        !facts_.local) {
        out += 'S';
        return outcome::start_tls;
    }
    out += 'N';
    return outcome::wait;
}

client_login::outcome client_login::on_parameters(const startup_packet& packet, std::string& out) {
    const config::settings& global = settings_->configuration->global;
    if (global.client_tls_sslmode >= config::tls_mode::require && !tls_ && !facts_.local) {
        return refuse(errc::tls_required, {}, out);
    }
    user_ = packet.find("user").value_or("");
    claimed_user_ = user_;
    database_ = packet.find("database").value_or("");
    if (database_.empty()) {
        database_ = user_;
    }
    const auto replicates = replication_of(packet.find("replication").value_or("0"));
    if (!replicates) {
        // Not to be ignored: the client would take an ordinary session for what it asked for.
        return refuse(errc::unsupported_startup_parameter, "replication", out);
    }
    replicates_ = *replicates;
    for (const auto& [name, value] : packet.parameters) {
        if (replicates_ != replication_kind::none) {
            if (name != "user" && name != "database") {
                startup_.emplace_back(name, value);  // what it means is the server's to say
            }
        } else if (!on_parameter(name, value, out)) {
            return outcome::refused;
        }
    }
    if (global.application_name_add_host) {
        const auto index = parameters_.index_of("application_name");
        const auto given = packet.find("application_name");
        wanted_.emplace_back(*index, fmt::format("{} - {}", given.value_or("app"), facts_.shown));
    }
    console_ = config::is_console_name(database_);
    if (room_ == room::full && !console_) {
        return refuse(errc::too_many_clients, {}, out);
    }
    if (packet.minor_version > 0 || !packet.unknown_protocol_options.empty()) {
        protocol::put_negotiate_protocol_version(out, 0x30000, packet.unknown_protocol_options);
    }
    return authenticate(out);
}

bool client_login::ignored(std::string_view name) const {
    const auto& list = settings_->configuration->global.ignore_startup_parameters;
    return std::any_of(list.begin(), list.end(), [&](const std::string& word) {
        return same_word(word, name);
    });
}

bool client_login::on_parameter(std::string_view name, std::string_view value, std::string& out) {
    if (name == "user" || name == "database") {
        return true;
    }
    if (name == "replication") {
        return true;
    }
    if (name == "options") {
        return on_options(value, out);  // what is known in it counts even if it is ignored
    }
    if (ignored(name) && !decides_meaning(name)) {
        return true;
    }
    if (want(name, value)) {
        return true;
    }
    refuse(errc::unsupported_startup_parameter, name, out);
    return false;
}

/// False if no session has such a setting.
bool client_login::want(std::string_view name, std::string_view value) {
    if (const auto index = parameters_.index_of(name)) {
        wanted_.emplace_back(*index, value);
        return true;
    }
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
        return std::tolower(c);
    });
    if (!is_known_setting(lower)) {
        return false;
    }
    extras_[std::move(lower)] = value;
    return true;
}

bool client_login::on_options(std::string_view value, std::string& out) {
    const auto options = protocol::read_options(value);
    if (!options) {
        if (ignored("options")) {
            return true;
        }
        refuse(errc::unsupported_startup_options, {}, out);
        return false;
    }
    for (const auto& [name, setting] : *options) {
        // What is told to be ignored is, unless it decides what values mean.
        const bool tracked = parameters_.index_of(name).has_value();
        if (!tracked && (ignored(name) || ignored("options"))) {
            continue;
        }
        if (!want(name, setting)) {
            refuse(errc::unsupported_parameter_in_options, name, out);
            return false;
        }
    }
    return true;
}

// Authentication.

client_login::outcome client_login::authenticate(std::string& out) {
    if (console_ && facts_.own_user && config::is_console_name(user_)) {
        return outcome::admitted;
    }
    if (!choose_method(out)) {
        return outcome::refused;
    }
    if (needs_user() && settings_->users->find(user_) == nullptr) {
        lookup_ = auth_query_for(*settings_->configuration, database_, user_);
        if (lookup_) {
            stage_ = stage::looking_up;
            return outcome::lookup;
        }
    }
    return begin_authentication(out);
}

/// By the rule that fits, or by auth_type. False if that refuses the client.
bool client_login::choose_method(std::string& out) {
    const config::auth_type type = settings_->configuration->global.auth_type;
    if (type != config::auth_type::hba) {
        method_ = method_of(type);
        return true;
    }
    auth::hba_query query;
    query.type = facts_.local ? auth::connection_type::local : auth::connection_type::host;
    query.address = facts_.ip;
    query.database = database_;
    query.user = user_;
    query.tls = tls_.has_value();
    query.replication = replicates_ == replication_kind::physical;
    rule_ = settings_->hba ? settings_->hba->match(query) : nullptr;
    if (rule_ == nullptr) {
        refuse(errc::no_hba_entry, {}, out);
        return false;
    }
    method_ = rule_->method;
    if (method_ == auth::auth_method::reject) {
        refuse(errc::hba_reject, {}, out);
        return false;
    }
    if (!meets_clientcert(*rule_, tls_found(), user_)) {
        refuse(errc::certificate_failed, {}, out);
        return false;
    }
    return true;
}

/// Whether the method needs to know the user: the others know theirs themselves.
bool client_login::needs_user() const noexcept {
    return method_ != auth::auth_method::any && method_ != auth::auth_method::pam &&
           method_ != auth::auth_method::ldap;
}

client_login::outcome client_login::on_looked_up(looked_up answer, std::string& out) {
    switch (answer.what) {
        case looked_up::kind::refused:
            return after(refuse(answer.code, answer.addition, out), out);
        case looked_up::kind::nobody:
            unknown_as_ = answer.unknown_as;
            break;
        case looked_up::kind::found:
            found_secret_ = std::move(answer.password);
            if (answer.name != user_) {
                // The rules hold for who it is, not only for what it calls itself.
                user_ = std::move(answer.name);
                if (!choose_method(out)) {
                    return after(outcome::refused, out);
                }
            }
    }
    return after(begin_authentication(out), out);
}

client_login::outcome client_login::begin_authentication(std::string& out) {
    if (method_ == auth::auth_method::peer && facts_.uid) {
        stage_ = stage::naming;
        return outcome::ask;
    }
    stage_ = stage::authenticating;
    auth_.emplace(auth_request());
    return step(auth_->start(out), out);
}

auth::client_auth_request client_login::auth_request() const {
    const config::settings& global = settings_->configuration->global;
    auth::client_auth_request request;
    request.method = method_;
    request.user = claimed_user_;
    request.stored = found_secret_ ? &*found_secret_
                     : lookup_     ? nullptr
                                   : settings_->users->find(user_);
    request.verifiers = &verifiers_;
    request.scram_iterations = global.scram_iterations;
    request.unknown_as = lookup_ ? unknown_as_ : settings_->unknown_as;
    request.end_point = tls_ ? tls_->end_point : std::string();
    request.identity_proved = identity_proved();
    request.host = facts_.host;
    request.pam_service = rule_ != nullptr && !rule_->pam_service.empty() ? rule_->pam_service
                                                                          : global.auth_pam_service;
    request.ldap = rule_ != nullptr ? rule_->ldap : settings_->ldap;
    return request;
}

auth::slow_question client_login::take_question() {
    if (stage_ == stage::naming) {
        return auth::ask_user_name{*facts_.uid};
    }
    return auth_->take_question();
}

client_login::outcome client_login::on_answer(const auth::slow_answer& answer, std::string& out) {
    if (stage_ == stage::asking) {
        stage_ = stage::authenticating;
        return after(step(auth_->on_answer(answer, out), out), out);
    }
    if (answer.full) {
        return after(refuse(errc::too_many_logins, {}, out), out);
    }
    peer_name_ = answer.name;
    stage_ = stage::authenticating;
    auth_.emplace(auth_request());
    return after(step(auth_->start(out), out), out);
}

const auth::scram_keys* client_login::server_keys() const noexcept {
    return auth_ && auth_->keys() ? &*auth_->keys() : nullptr;
}

/// The password that it has sent, or what auth_query has found, unless that opens nothing.
const secret* client_login::server_password() const noexcept {
    if (auth_ && auth_->password() != nullptr) {
        return auth_->password();
    }
    const bool usable = found_secret_ && !found_secret_->empty() &&
                        auth::classify(found_secret_->view()) != auth::secret_kind::scram;
    return usable ? &*found_secret_ : nullptr;
}

/// cert: the certificate was issued to the user, or to a name that the rule's map lets be the user.
/// peer: so it is with the socket's owner, whom the system has named by now.
bool client_login::identity_proved() const {
    if (method_ != auth::auth_method::cert) {
        return auth::is_allowed(settings_->ident.get(), map(), peer_name_, user_);
    }
    const auto names = proved_names(rule_, tls_found());
    return std::any_of(names.begin(), names.end(), [this](const std::string& name) {
        return auth::is_allowed(settings_->ident.get(), map(), name, user_);
    });
}

std::string_view client_login::map() const noexcept {
    return rule_ != nullptr ? std::string_view(rule_->map) : std::string_view();
}

client_login::outcome client_login::on_password(std::string& out) {
    if (received_.size() < protocol::header_size) {
        return outcome::wait;
    }
    const auto length = static_cast<std::uint32_t>(int32_at(received_, 1));
    if (received_[0] != 'p' || length < 4 || length > password_limit) {
        return refuse(errc::malformed_message, {}, out);
    }
    if (received_.size() < length + 1) {
        return outcome::wait;
    }
    const std::string_view body(received_.data() + protocol::header_size, length - 4);
    const auto result = auth_->on_password_message(body, out);
    std::string rest = received_.substr(length + 1);
    wipe(received_);
    received_ = std::move(rest);
    return step(result, out);
}

client_login::outcome client_login::step(auth::client_auth::step result, std::string& out) {
    switch (result) {
        case auth::client_auth::step::send_and_wait:
            return outcome::wait;
        case auth::client_auth::step::ask:
            stage_ = stage::asking;
            return outcome::ask;
        case auth::client_auth::step::accepted:
            return outcome::admitted;
        case auth::client_auth::step::refused:
            break;
    }
    refuse(auth_->why(), {}, out);
    if (!auth_->detail().empty()) {
        reason_ += fmt::format(" ({})", auth_->detail());
    }
    return outcome::refused;
}

client_login::outcome client_login::refuse(errc code, std::string_view addition, std::string& out) {
    reason_ = fmt::format("{}{}", text_of(code).message, addition);
    protocol::put_error(out, protocol::severity::fatal, code, addition);
    return outcome::refused;
}

}  // namespace pgweir::session
