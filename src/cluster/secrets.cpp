#include "cluster/secrets.hpp"

#include "cluster/files.hpp"

#include <fmt/format.h>

#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <string>

namespace pgweir::cluster {

namespace {

/// The first line of a file: editors and `echo` end it with a line end that is not part of it.
std::string_view first_line(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    return !text.empty() && text.back() == '\r' ? text.substr(0, text.size() - 1) : text;
}

result<secret> accept(
    std::string_view password, const login_role& role, std::string_view origin, profile value
) {
    const auto objection = objection_to(password, value);
    if (!objection.empty()) {
        return failure{
            fmt::format("the password of role {} from {} {}", role.name, origin, objection)};
    }
    return secret(password);
}

result<secret> find_secret(
    const login_role& role, const cluster_settings& cluster, missing_password missing
) {
    const char* given = std::getenv(role.environment.c_str());
    if (given != nullptr && *given != '\0') {
        return accept(given, role, "$" + role.environment, cluster.profile);
    }
    auto text = read_text(role.password_file);
    if (!text) {
        return text.error();
    }
    if (*text) {
        auto found = accept(first_line(**text), role, role.password_file.string(), cluster.profile);
        wipe(**text);
        return found;
    }
    if (missing == missing_password::refuse) {
        return failure{fmt::format(
            "no password of role {}: {} does not exist. Run pgweirctl init first; if the primary "
            "is "
            "on another machine, copy the file from there",
            role.name,
            role.password_file.string()
        )};
    }
    return generate_password();
}

bool is_given(const login_role& role) {
    const char* given = std::getenv(role.environment.c_str());
    const auto text = read_text(role.password_file);
    return (given != nullptr && *given != '\0') || !text || *text;
}

}  // namespace

std::string_view objection_to(std::string_view password, profile value) {
    if (password.empty()) {
        return "is empty";
    }
    if (password.size() > 900) {
        return "is longer than 900 bytes";
    }
    for (const char c : password) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return "holds control characters";
        }
    }
    if (value == profile::production && password.substr(0, 9) == "CHANGE_ME") {
        return "is a placeholder: the production profile wants a real one";
    }
    return {};
}

result<secret> generate_password() {
    static constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::array<unsigned char, 32> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        return failure{"the system gave no random numbers for a password"};
    }
    std::string text;
    for (const unsigned char byte : random) {
        text.push_back(alphabet[byte % alphabet.size()]);
    }
    secret made(text);
    wipe(text);
    return made;
}

result<cluster_secrets> find_secrets(const cluster_settings& cluster, missing_password missing) {
    cluster_secrets secrets;
    const auto fetch = [&](secret& target, const login_role& role) -> result<void> {
        auto found = find_secret(role, cluster, missing);
        if (!found) {
            return found.error();
        }
        target = std::move(*found);
        return {};
    };
    const std::array<std::pair<secret*, const login_role*>, 2> shared{{
        {&secrets.replication, &cluster.replication},
        {&secrets.prober, &cluster.prober},
    }};
    for (const auto& [target, role] : shared) {
        if (auto done = fetch(*target, *role); !done) {
            return done.error();
        }
    }
    // A machine that has a standby only needs no password of the application or the console.
    const std::array<std::pair<secret*, const login_role*>, 2> local{{
        {&secrets.application, &cluster.application},
        {&secrets.console, &cluster.console},
    }};
    for (const auto& [target, role] : local) {
        if (missing == missing_password::refuse && !is_given(*role)) {
            continue;
        }
        if (auto done = fetch(*target, *role); !done) {
            return done.error();
        }
    }
    return secrets;
}

}  // namespace pgweir::cluster
