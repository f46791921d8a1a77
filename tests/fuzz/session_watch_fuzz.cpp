// What follows a client's SQL: any requests in any order, cut anywhere, with any replies. A body
// that comes in pieces leads to the same as the whole one; nothing outlives a lease but what was
// committed; what is remembered stays within bounds.
// Input: bytes that each steer one step, texts between zero bytes.

#include "session/session_watch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir;
using namespace pgweir::session;
using protocol::request;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

constexpr request requests[] = {
    request::query,
    request::parse,
    request::bind,
    request::execute,
    request::close,
    request::sync,
};

constexpr const char* tags[] = {
    "SET",
    "RESET",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "SELECT 1",
    "DISCARD ALL",
    "LISTEN",
    "PREPARE TRANSACTION",
    "",
};

class driver {
public:
    explicit driver(std::string_view input) : rest_(input) {}

    void run() {
        while (!rest_.empty()) {
            const unsigned what = byte();
            if (what < 128) {
                send(what);
            } else if (what < 250) {
                reply(what);
            } else {
                lease_over();
            }
        }
        lease_over();
    }

private:
    unsigned byte() {
        if (rest_.empty()) {
            return 0;
        }
        const auto result = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return result;
    }

    std::string text() {
        const std::string_view found = rest_.substr(0, rest_.find('\0'));
        rest_.remove_prefix(std::min(found.size() + 1, rest_.size()));
        return std::string(found) + '\0';
    }

    void send(unsigned what) {
        const request kind = requests[what % std::size(requests)];
        std::string body = text();
        if (kind == request::parse || kind == request::bind) {
            body += text() + std::string(2, '\0');
        }
        const std::size_t cut = byte() % (body.size() + 1);
        const auto meaning = what % 2 == 0 ? sql::backslash::plain : sql::backslash::escapes;
        one_piece(kind, body, meaning);
        pieces(kind, body, cut, meaning);
        require(whole_.active() == cut_.active());
        number_++;
    }

    void one_piece(request kind, const std::string& body, sql::backslash meaning) {
        const auto found = whole_.request(kind, body, body.size(), meaning);
        require(!found.collects);
        if (!found.nothing()) {
            whole_.sent(number_, found);
        }
    }

    void pieces(request kind, const std::string& body, std::size_t cut, sql::backslash meaning) {
        const bool may_be_cut = kind == request::query || kind == request::parse;
        const std::string first = may_be_cut ? body.substr(0, cut) : body;
        const auto found = cut_.request(kind, first, body.size(), meaning);
        if (!found.nothing()) {
            cut_.sent(number_, found);
        }
        for (std::size_t at = cut; cut_.collecting(); at++) {
            cut_.more(body.substr(at, 1));
        }
    }

    void reply(unsigned what) {
        for (session_watch* each : {&whole_, &cut_}) {
            session_state* state = each->state();
            if (state == nullptr) {
                continue;
            }
            if (what % 4 == 0) {
                const bool idle = what % 8 == 0;
                const auto status = idle ? protocol::transaction_status::idle
                                         : protocol::transaction_status::in_transaction;
                state->on_ready(status, what % 16 < 4, number_);
                require(!idle || !state->active());
            } else {
                state->on_tag(tags[what % std::size(tags)], number_ - 1);
            }
        }
        require(committed(whole_) == committed(cut_));
    }

    static std::string committed(session_watch& watch) {
        std::string out;
        if (watch.state() != nullptr) {
            for (const effect& step : watch.state()->take_committed()) {
                require(step.what == effect::kind::set || step.what == effect::kind::reset_all);
                out += step.to.name + "=" + step.to.value.value_or("!") + ";";
            }
        }
        return out;
    }

    void lease_over() {
        for (session_watch* each : {&whole_, &cut_}) {
            each->lease_over();
            require(!each->active() && !each->collecting());
        }
    }

    std::string_view rest_;
    std::uint64_t number_ = 1;
    session_watch whole_;
    session_watch cut_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    driver(input).run();
    return 0;
}
