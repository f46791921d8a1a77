#include "auth/ldap_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace pgweir::auth {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

void put_hex(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(hex_digits[byte >> 4]);
    out.push_back(hex_digits[byte & 15]);
}

std::optional<int> read_port(std::string_view text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && port > 0 && port < 65536 ? std::optional(port) : std::nullopt;
}

/// %41 in a URL is A.
std::optional<std::string> decode_url(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] != '%') {
            decoded.push_back(text[i]);
            continue;
        }
        unsigned value = 0;
        const char* begin = text.data() + i + 1;
        if (i + 2 >= text.size() || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2 ||
            value == 0) {
            return std::nullopt;
        }
        decoded.push_back(static_cast<char>(value));
        i += 2;
    }
    return decoded;
}

/// The options as they are collected: what is only known at the end stands apart.
class option_reader {
public:
    result<ldap_options> read(const ldap_option_list& words) {
        for (const auto& [name, value] : words) {
            if (const auto wrong = take(name, value)) {
                return failure{fmt::format("{}: {}", name, *wrong)};
            }
        }
        return finish();
    }

private:
    using problem = std::optional<std::string>;

    problem take(const std::string& name, const std::string& value) {
        if (name == "ldapurl") {
            return take_url(value);
        }
        if (name == "ldapport") {
            const auto port = read_port(value);
            port_ = port.value_or(0);
            return port ? problem() : "expected a port from 1 to 65535";
        }
        if (name == "ldapscheme") {
            scheme_ = value;
            const bool known = value == "ldap" || value == "ldaps";
            return known ? problem() : "expected ldap or ldaps";
        }
        if (name == "ldaptls") {
            made_.start_tls = value == "1";
            return value == "0" || value == "1" ? problem() : "expected 0 or 1";
        }
        if (name == "ldapbindpasswd") {
            made_.bind_password = secret(value);
            return std::nullopt;
        }
        if (std::string* text = text_of(name)) {
            *text = value;
            return std::nullopt;
        }
        return "no option of LDAP's";
    }

    std::string* text_of(std::string_view name) noexcept {
        const std::pair<std::string_view, std::string*> texts[] = {
            {"ldapserver", &servers_},
            {"ldapprefix", &made_.prefix},
            {"ldapsuffix", &made_.suffix},
            {"ldapbasedn", &made_.base_dn},
            {"ldapbinddn", &made_.bind_dn},
            {"ldapsearchattribute", &made_.search_attribute},
            {"ldapsearchfilter", &made_.search_filter},
        };
        for (const auto& [known, text] : texts) {
            if (known == name) {
                return text;
            }
        }
        return nullptr;
    }

    /// ldap[s]://host[:port]/basedn[?[attribute][?[scope][?[filter]]]]
    problem take_url(std::string_view url) {
        const std::size_t colon = url.find("://");
        if (colon == url.npos) {
            return "expected ldap[s]://host[:port]/basedn[?[attribute][?[scope][?[filter]]]]";
        }
        if (const auto wrong = take("ldapscheme", std::string(url.substr(0, colon)))) {
            return wrong;
        }
        url.remove_prefix(colon + 3);
        const std::size_t slash = std::min(url.find('/'), url.size());
        if (const auto wrong = take_host(url.substr(0, slash))) {
            return wrong;
        }
        url.remove_prefix(std::min(slash + 1, url.size()));
        std::string parts[4];  // base, attribute, scope, filter
        for (std::string& part : parts) {
            const std::size_t end = std::min(url.find('?'), url.size());
            const auto decoded = decode_url(url.substr(0, end));
            if (!decoded) {
                return "a % that does not stand before two hexadecimal digits";
            }
            part = *decoded;
            url.remove_prefix(std::min(end + 1, url.size()));
        }
        if (!url.empty()) {
            return "extensions are not supported";
        }
        made_.base_dn = parts[0];
        made_.search_attribute = parts[1];
        made_.search_filter = parts[3];
        return take_scope(parts[2]);
    }

    problem take_host(std::string_view host) {
        const std::size_t bracket = host.rfind(']');  // of an IPv6 address
        const std::size_t colon = host.rfind(':');
        if (colon != host.npos && (bracket == host.npos || colon > bracket)) {
            if (const auto wrong = take("ldapport", std::string(host.substr(colon + 1)))) {
                return wrong;
            }
            host = host.substr(0, colon);
        }
        servers_ = host;
        return std::nullopt;
    }

    problem take_scope(std::string_view scope) {
        made_.scope = scope == "sub"   ? ldap_scope::sub
                      : scope == "one" ? ldap_scope::one
                                       : ldap_scope::base;
        const bool known = scope.empty() || scope == "base" || scope == "one" || scope == "sub";
        return known ? problem() : "the scope is base, one or sub";
    }

    result<ldap_options> finish() {
        const bool binds = !made_.prefix.empty() || !made_.suffix.empty();
        const bool search_words = !made_.bind_dn.empty() || !made_.bind_password.empty() ||
                                  !made_.search_attribute.empty() || !made_.search_filter.empty();
        if (servers_.empty()) {
            return failure{"ldapserver or ldapurl is missing"};
        }
        if (binds && (made_.searches() || search_words)) {
            return failure{"ldapprefix and ldapsuffix cannot stand with options of a search"};
        }
        if (!binds && !made_.searches()) {
            return failure{"one of ldapbasedn, ldapprefix and ldapsuffix is needed"};
        }
        if (!made_.search_attribute.empty() && !made_.search_filter.empty()) {
            return failure{"ldapsearchattribute and ldapsearchfilter exclude each other"};
        }
        if (made_.start_tls && scheme_ == "ldaps") {
            return failure{"ldaptls = 1 has no place in ldaps, which is TLS already"};
        }
        put_uris();
        return std::move(made_);
    }

    void put_uris() {
        const int port = port_ != 0 ? port_ : scheme_ == "ldaps" ? 636 : 389;
        std::string_view rest = servers_;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(' '), rest.size());
            const std::string_view host = rest.substr(0, end);
            if (!host.empty()) {
                const bool own_port = host.rfind(':') != host.npos && host.back() != ']';
                made_.uris += made_.uris.empty() ? "" : " ";
                made_.uris += own_port ? fmt::format("{}://{}", scheme_, host)
                                       : fmt::format("{}://{}:{}", scheme_, host, port);
            }
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }

    ldap_options made_;
    std::string servers_;
    std::string scheme_ = "ldap";
    int port_ = 0;
};

}  // namespace

std::string ldap_options::dn_of(std::string_view user) const {
    return prefix + escape_dn(user) + suffix;
}

std::string ldap_options::filter_for(std::string_view user) const {
    const std::string escaped = escape_filter(user);
    if (search_filter.empty()) {
        return fmt::format("({}={})", search_attribute.empty() ? "uid" : search_attribute, escaped);
    }
    constexpr std::string_view place = "$username";
    std::string filter;
    std::string_view rest = search_filter;
    for (std::size_t at = rest.find(place); at != rest.npos; at = rest.find(place)) {
        filter.append(rest.substr(0, at)).append(escaped);
        rest.remove_prefix(at + place.size());
    }
    filter.append(rest);
    return filter.starts_with('(') ? filter : fmt::format("({})", filter);
}

result<ldap_options> parse_ldap_options(const ldap_option_list& words) {
    return option_reader().read(words);
}

result<ldap_options> parse_ldap_options(std::string_view text) {
    ldap_option_list words;
    for (;;) {
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
            text.remove_prefix(1);
        }
        if (text.empty()) {
            return parse_ldap_options(words);
        }
        const std::size_t equals = text.find('=');
        if (equals == text.npos) {
            return failure{"expected name=value"};
        }
        auto& [name, value] = words.emplace_back(text.substr(0, equals), "");
        text.remove_prefix(equals + 1);
        bool quoted = false;
        while (!text.empty() && (quoted || (text.front() != ' ' && text.front() != '\t'))) {
            const char c = text.front();
            text.remove_prefix(1);
            if (c != '"') {
                value.push_back(c);
            } else if (quoted && text.starts_with('"')) {
                value.push_back(c);
                text.remove_prefix(1);
            } else {
                quoted = !quoted;
            }
        }
        if (quoted) {
            return failure{fmt::format("{}: a quote is not closed", name)};
        }
    }
}

std::string escape_dn(std::string_view text) {
    constexpr std::string_view special = R"(,+"\<>;=#)";
    std::string escaped;
    for (std::size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        const bool blank_at_end = c == ' ' && (i == 0 || i + 1 == text.size());
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        if (special.find(c) != special.npos || blank_at_end || control) {
            escaped.push_back('\\');
            put_hex(escaped, c);
        } else {
            escaped.push_back(c);
        }
    }
    return escaped;
}

std::string escape_filter(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != '*' && c != '(' &&
                           c != ')' && c != '\\' && c != 0x7f;
        if (plain) {
            escaped.push_back(c);
        } else {
            escaped.push_back('\\');
            put_hex(escaped, c);
        }
    }
    return escaped;
}

}  // namespace pgweir::auth
