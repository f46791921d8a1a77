#include "topology/pq_connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace pgweir::topology {

namespace {

/// A name under which there is no file, for files that nobody wants: without one, libpq looks in
/// its user's home.
constexpr const char* no_file = "/dev/null/none";

bool is_directory(const std::string& host) noexcept {
    return host.starts_with('/') || host.starts_with('@');
}

/// The first line, without where it happened, which whoever reads it knows.
std::string first_line(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    if (text.starts_with("connection to server")) {
        if (const auto where = text.find(" failed: "); where != std::string_view::npos) {
            text.remove_prefix(where + std::strlen(" failed: "));
        }
    }
    while (text.ends_with(' ')) {
        text.remove_suffix(1);
    }
    return std::string(text.empty() ? "the connection is lost" : text);
}

std::string number_of(const addrinfo& found) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = found.ai_family == AF_INET6
                            ? static_cast<const void*>(
                                  &reinterpret_cast<const sockaddr_in6*>(found.ai_addr)->sin6_addr
                              )
                            : &reinterpret_cast<const sockaddr_in*>(found.ai_addr)->sin_addr;
    return ::inet_ntop(found.ai_family, bytes, text.data(), text.size()) != nullptr ? text.data()
                                                                                    : "";
}

/// The addresses of a name, each once; of an address, itself.
result<std::vector<std::string>> resolve(const std::string& host) {
    if (is_directory(host)) {
        return std::vector<std::string>{host};
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* raw = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &raw); error != 0) {
        return failure{fmt::format("the name {} leads nowhere: {}", host, ::gai_strerror(error))};
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(raw, ::freeaddrinfo);
    std::vector<std::string> found;
    for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
        if (each->ai_family != AF_INET && each->ai_family != AF_INET6) {
            continue;
        }
        std::string address = number_of(*each);
        if (std::find(found.begin(), found.end(), address) == found.end()) {
            found.push_back(std::move(address));
        }
    }
    if (found.empty()) {
        return failure{fmt::format("the name {} has no address", host)};
    }
    return found;
}

/// Whose signature a certificate needs when nobody was named: the system's authorities.
std::string system_authorities() {
    if (PQlibVersion() >= 160000) {
        return "system";
    }
    for (const char* file :
         {"/etc/ssl/certs/ca-certificates.crt",
          "/etc/pki/tls/certs/ca-bundle.crt",
          "/etc/ssl/cert.pem"}) {
        if (::access(file, R_OK) == 0) {
            return file;
        }
    }
    return no_file;
}

/// With require, libpq checks a certificate if there is something to check it by; the pools'
/// connections do not.
std::string root_certificate(const server_access& to) {
    if (!to.sslmode.starts_with("verify")) {
        return no_file;
    }
    return to.sslrootcert.empty() ? system_authorities() : to.sslrootcert;
}

std::string or_no_file(const std::string& name) {
    return name.empty() ? no_file : name;
}

struct parameter {
    const char* key;
    std::string value;
};

std::vector<parameter> parameters_of(
    const server_access& to, const std::string& address, const char* application_name
) {
    std::vector<parameter> all{
        {"host", to.host},
        {"port", std::to_string(to.port)},
        {"user", to.user},
        {"dbname", to.dbname},
        {"password", std::string(to.password.view())},
        {"passfile", no_file},
        {"application_name", application_name},
        {"client_encoding", "UTF8"},
        {"target_session_attrs", "any"},
        {"options", ""},
        {"gssencmode", "disable"},
        {"sslmode", to.sslmode},
        {"sslrootcert", root_certificate(to)},
        {"sslcert", or_no_file(to.sslcert)},
        {"sslkey", or_no_file(to.sslkey)},
        {"keepalives", "1"},
        {"keepalives_idle", "5"},
        {"keepalives_interval", "2"},
        {"keepalives_count", "3"},
    };
    if (!is_directory(to.host)) {
        all.push_back({"hostaddr", address});
    }
    return all;
}

text_row values_of(const PGresult* answer, int row) {
    text_row values;
    for (int column = 0; column < PQnfields(answer); column++) {
        if (PQgetisnull(answer, row, column) != 0) {
            values.emplace_back();
        } else {
            values.emplace_back(PQgetvalue(answer, row, column));
        }
    }
    return values;
}

}  // namespace

void pq_connection::closer::operator()(pg_conn* handle) const noexcept {
    PQfinish(handle);
}

void pq_connection::freer::operator()(pg_result* handle) const noexcept {
    PQclear(handle);
}

failure pq_connection::trouble() const {
    return {first_line(PQerrorMessage(handle_.get()))};
}

int pq_connection::socket() const noexcept {
    return PQsocket(handle_.get());
}

bool pq_connection::alive() noexcept {
    return PQconsumeInput(handle_.get()) == 1 && PQstatus(handle_.get()) == CONNECTION_OK;
}

// Opening.

result<pq_connection> pq_connection::open(
    const server_access& to, const char* application_name, const patience& limits
) {
    const auto addresses = resolve(to.host);
    if (!addresses) {
        return addresses.error();
    }
    std::size_t left = addresses->size();
    for (const std::string& address : *addresses) {
        // An address where nobody answers must not use up the time of the others.
        const steady_time now = std::chrono::steady_clock::now();
        const auto share = std::max(limits.until - now, steady_time::duration(0)) /
                           static_cast<steady_time::rep>(left);
        auto made =
            open_one(to, address, application_name, {limits.by, limits.called_off, now + share});
        left--;
        if (made || left == 0 || limits.called_off()) {
            return made;
        }
    }
    return failure{"no address"};  // not reached: there is one
}

result<pq_connection> pq_connection::open_one(
    const server_access& to,
    const std::string& address,
    const char* application_name,
    const patience& limits
) {
    std::vector<parameter> parameters = parameters_of(to, address, application_name);
    std::vector<const char*> keys;
    std::vector<const char*> values;
    for (const parameter& each : parameters) {
        keys.push_back(each.key);
        values.push_back(each.value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    pq_connection made(PQconnectStartParams(keys.data(), values.data(), 0), address);
    for (parameter& each : parameters) {
        wipe(each.value);
    }
    if (made.handle_ == nullptr) {
        return failure{"out of memory"};
    }
    // Notices are of no interest.
    PQsetNoticeProcessor(
        made.handle_.get(), [](void*, const char*) {}, nullptr
    );
    if (const auto done = made.login(limits); !done) {
        return done.error();
    }
    return made;
}

result<void> pq_connection::login(const patience& limits) {
    if (PQstatus(handle_.get()) == CONNECTION_BAD) {
        return trouble();
    }
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (wanted != PGRES_POLLING_OK) {
        if (wanted == PGRES_POLLING_FAILED) {
            return trouble();
        }
        const auto what =
            wanted == PGRES_POLLING_READING ? readiness::readable : readiness::writable;
        if (const auto waited = wait(what, limits); !waited) {
            return waited.error();
        }
        wanted = PQconnectPoll(handle_.get());
    }
    return {};
}

result<void> pq_connection::wait(readiness what, const patience& limits) {
    for (;;) {
        if (limits.called_off()) {
            return failure{"not wanted any more"};
        }
        switch (limits.by.wait(socket(), what, limits.until)) {
            case wait_result::ready:
                return {};
            case wait_result::timed_out:
                return failure{"it does not answer"};
            case wait_result::raised:
                break;
        }
    }
}

// Asking.

result<pq_connection::answer_handle> pq_connection::next_answer(const patience& limits) {
    for (;;) {
        const int unsent = PQflush(handle_.get());
        if (unsent < 0 || PQconsumeInput(handle_.get()) == 0) {
            return trouble();
        }
        if (PQisBusy(handle_.get()) == 0) {
            return answer_handle(PQgetResult(handle_.get()));
        }
        const auto what = unsent > 0 ? readiness::writable : readiness::readable;
        if (const auto waited = wait(what, limits); !waited) {
            return waited.error();
        }
    }
}

result<void> pq_connection::each_answer(
    const std::function<void(const pg_result*)>& take, const patience& limits
) {
    std::optional<failure> refused;
    for (;;) {
        auto next = next_answer(limits);
        if (!next) {
            return next.error();
        }
        const PGresult* answer = next->get();
        if (answer == nullptr) {
            return refused ? result<void>(*refused) : result<void>();
        }
        switch (PQresultStatus(answer)) {
            case PGRES_TUPLES_OK:
            case PGRES_COMMAND_OK:
            case PGRES_SINGLE_TUPLE:
                take(answer);
                break;
            default:
                refused = failure{first_line(PQresultErrorMessage(answer))};
                break;
        }
    }
}

result<std::vector<text_row>> pq_connection::rows(const patience& limits) {
    std::vector<text_row> all;
    const auto done = each_answer(
        [&](const PGresult* answer) {
            for (int row = 0; row < PQntuples(answer); row++) {
                all.push_back(values_of(answer, row));
            }
        },
        limits
    );
    if (!done) {
        return done.error();
    }
    return all;
}

result<std::vector<text_row>> pq_connection::query(
    const std::string& text, const patience& limits
) {
    if (PQsendQuery(handle_.get(), text.c_str()) == 0) {
        return trouble();
    }
    return rows(limits);
}

result<void> pq_connection::query(
    const std::string& text, const row_sink& each, const patience& limits
) {
    if (PQsendQuery(handle_.get(), text.c_str()) == 0) {
        return trouble();
    }
    PQsetSingleRowMode(handle_.get());
    std::vector<std::optional<std::string_view>> row;
    return each_answer(
        [&](const PGresult* answer) {
            for (int index = 0; index < PQntuples(answer); index++) {
                row.clear();
                for (int column = 0; column < PQnfields(answer); column++) {
                    if (PQgetisnull(answer, index, column) != 0) {
                        row.emplace_back();
                    } else {
                        row.emplace_back(std::string_view(
                            PQgetvalue(answer, index, column),
                            static_cast<std::size_t>(PQgetlength(answer, index, column))
                        ));
                    }
                }
                each(row);
            }
        },
        limits
    );
}

result<void> pq_connection::prepare(
    const char* name, const std::string& text, const patience& limits
) {
    if (PQsendPrepare(handle_.get(), name, text.c_str(), 0, nullptr) == 0) {
        return trouble();
    }
    return each_answer([](const PGresult*) {}, limits);
}

result<std::vector<text_row>> pq_connection::run(
    const char* name, const std::vector<std::string>& values, const patience& limits
) {
    std::vector<const char*> texts;
    for (const std::string& each : values) {
        texts.push_back(each.c_str());
    }
    const int count = static_cast<int>(texts.size());
    if (PQsendQueryPrepared(handle_.get(), name, count, texts.data(), nullptr, nullptr, 0) == 0) {
        return trouble();
    }
    return rows(limits);
}

}  // namespace pgweir::topology
