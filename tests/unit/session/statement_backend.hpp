#pragma once

// A backend of PostgreSQL's reduced to prepared statements: reads whole messages, and says what
// PostgreSQL says, when it says it (replies leave at Sync, Flush and Query). What a statement does
// is its text: "begin", "rollback", "fail" (when executed), "syntax" (when parsed), "deallocate
// all", anything else returns its text as a row.

#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session::test {

struct wire_message {
    char type = 0;
    std::string body{};
};

class statement_backend {
public:
    /// Reads one message. What leaves the server is appended to `out`.
    void read(const wire_message& next, std::vector<wire_message>& out) {
        if (next.type == 'S') {
            skipping_ = false;
            ready();
        } else if (next.type == 'H') {
            leave_ = true;
        } else if (!skipping_) {
            dispatch(next);
        }
        if (leave_) {
            out.insert(out.end(), said_.begin(), said_.end());
            said_.clear();
            leave_ = false;
        }
    }

    std::size_t size() const { return statements_.size(); }

    char status() const { return status_; }

    /// A function deallocates all, which no reply tells.
    void forget() {
        std::erase_if(statements_, [](const auto& one) { return !one.first.empty(); });
    }

    /// How often a text was parsed.
    int parses(const std::string& text) const {
        const auto found = parses_.find(text);
        return found == parses_.end() ? 0 : found->second;
    }

    /// Something else was deployed: row descriptions are others from now on.
    void change_rows() { version_++; }

private:
    struct known {
        std::string text;
        int version;
    };

    void say(char type, std::string body = {}) { said_.push_back({type, std::move(body)}); }

    void ready() {
        say('Z', std::string(1, status_));
        leave_ = true;
    }

    void fail(std::string_view sqlstate, const std::string& text) {
        std::string error;
        protocol::put_error(error, protocol::severity::error, sqlstate, text);
        say('E', error.substr(5));
        status_ = status_ == 'T' ? 'E' : status_;
        skipping_ = true;
    }

    /// As PostgreSQL says it, with the function that has found out.
    void outdated() {
        fail("0A000", "cached plan must not change result type");
        std::string& body = said_.back().body;
        body.insert(body.size() - 1, std::string("RRevalidateCachedQuery\0", 23));
    }

    bool refuses(const std::string& text) {
        if (status_ == 'E' && text != "rollback") {
            fail("25P02", "current transaction is aborted");
            return true;
        }
        return false;
    }

    void dispatch(const wire_message& next) {
        switch (next.type) {
            case 'P':
                return parse(*protocol::read_parse(next.body));
            case 'B':
                return bind(*protocol::read_bind_head(next.body));
            case 'D':
                return describe(std::string(protocol::read_statement_name(next.body).value()));
            case 'E':
                return execute();
            case 'C':
                statements_.erase(std::string(protocol::read_statement_name(next.body).value()));
                return say('3');
            default:
                return query(next.body.substr(0, next.body.size() - 1));
        }
    }

    void parse(const protocol::parse_message& message) {
        const std::string text(message.query);
        if (message.statement.empty()) {
            statements_.erase("");
        }
        if (text == "syntax") {
            return fail("42601", "syntax error");
        }
        if (refuses(text)) {
            return;
        }
        const std::string name(message.statement);
        if (!name.empty() && statements_.contains(name)) {
            return fail("42P05", "prepared statement \"" + name + "\" already exists");
        }
        statements_[name] = {text, version_};
        parses_[text]++;
        say('1');
    }

    void bind(const protocol::bind_head& message) {
        const std::string name(message.statement);
        const auto found = statements_.find(name);
        if (found == statements_.end()) {
            return fail("26000", "prepared statement \"" + name + "\" does not exist");
        }
        if (refuses(found->second.text)) {
            return;
        }
        if (found->second.version != version_) {
            return outdated();
        }
        portal_ = found->second.text;
        say('2');
    }

    void describe(const std::string& name) {
        const auto found = statements_.find(name);
        if (found == statements_.end()) {
            return fail("26000", "prepared statement \"" + name + "\" does not exist");
        }
        if (refuses(found->second.text)) {
            return;
        }
        if (found->second.version != version_) {
            return outdated();
        }
        say('t');
        std::string rows;
        protocol::put_row_description(
            rows, {{"v" + std::to_string(version_) + found->second.text, 25}}
        );
        say('T', rows.substr(5));
    }

    void execute() {
        run(portal_, true);
        portal_ = "nothing bound";
    }

    void query(const std::string& text) {
        statements_.erase("");
        if (!refuses(text)) {
            run(text, false);
        }
        skipping_ = false;
        ready();
    }

    void run(const std::string& text, bool rows) {
        if (text == "fail") {
            return fail("22012", "division by zero");
        }
        if (text == "begin") {
            status_ = 'T';
        } else if (text == "rollback") {
            status_ = 'I';
        } else if (text == "deallocate all") {
            forget();
            return say('C', std::string("DEALLOCATE ALL", 15));
        } else if (rows) {
            say('D', text);
        }
        say('C', text + '\0');
    }

    std::map<std::string, known> statements_;
    std::map<std::string, int> parses_;
    std::string portal_ = "nothing bound";
    std::vector<wire_message> said_;
    int version_ = 0;
    char status_ = 'I';
    bool skipping_ = false;
    bool leave_ = false;
};

}  // namespace pgweir::session::test
