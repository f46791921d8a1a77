#pragma once

// A backend of PostgreSQL's reduced to what answers what: it reads one message at a time and says
// by which types it replies. Written from PostgreSQL's sources (the main loop, and COPY's reading
// of its data), not from the pipeline, so that the two can be held against each other. Copyable: a
// copy can be run ahead to learn what is still to come.

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace pgweir::protocol::test {

struct statement {
    enum class kind { rows, empty, begin, commit, copy_out, copy_in, error };
    kind what = kind::rows;
    int fails_after = -1;  // copy_in: CopyData messages that it takes before it fails; -1: never
};

struct message {
    char type = 'S';
    bool fails = false;                   // P, B, D, C, F and S (when it commits)
    bool suspends = false;                // E
    std::vector<statement> statements{};  // Q, and one for E
    bool own = false;
};

struct reply {
    char type;
    char status = ' ';  // of Z
    bool own = false;
};

class simulated_backend {
public:
    /// Reads one message. The replies are appended to `out`.
    void read(const message& next, std::vector<reply>& out) {
        out_ = &out;
        if (dead_) {
            return;
        }
        if (in_copy_) {
            read_in_copy(next);
            return;
        }
        if (next.type == 'S') {
            skipping_ = false;
        }
        if (skipping_) {
            return;
        }
        own_ = next.own;
        dispatch(next);
    }

    bool dead() const { return dead_; }

    bool in_copy() const { return in_copy_; }

    bool in_copy_of_query() const { return in_copy_ && !extended_; }

    bool needs_sync() const { return skipping_ || implicit_; }

    char status() const { return status_; }

    /// Nothing is going on, though a transaction may be open.
    bool at_rest() const { return !in_copy_ && !needs_sync() && !dead_; }

private:
    void say(char type) { out_->push_back({type, ' ', own_}); }

    void say_ready() {
        implicit_ = false;
        out_->push_back({'Z', status_, own_});
    }

    void fail() {
        say('E');
        statements_.clear();
        in_copy_ = false;
        if (status_ == 'T') {
            status_ = 'E';
        }
        if (extended_) {
            skipping_ = true;
        } else {
            say_ready();
        }
    }

    void dispatch(const message& next) {
        switch (next.type) {
            case 'Q':
                extended_ = false;
                statements_.assign(next.statements.begin(), next.statements.end());
                run();
                break;
            case 'F':
                extended_ = false;
                if (next.fails || status_ == 'E') {
                    fail();
                } else {
                    say('V');
                    say_ready();
                }
                break;
            case 'S':
                extended_ = false;
                if (next.fails && implicit_ && status_ == 'I') {
                    fail();
                } else {
                    say_ready();
                }
                break;
            case 'H':
                extended_ = true;
                break;
            case 'd':
            case 'c':
            case 'f':
                break;
            default:
                extended_ = true;
                implicit_ = true;
                read_extended(next);
        }
    }

    void read_extended(const message& next) {
        if (next.fails || (status_ == 'E' && next.type != 'C')) {
            fail();
            return;
        }
        switch (next.type) {
            case 'P':
                say('1');
                break;
            case 'B':
                say('2');
                break;
            case 'C':
                say('3');
                break;
            case 'D':
                say('t');
                say(next.suspends ? 'n' : 'T');
                break;
            case 'E':
                suspends_ = next.suspends;
                statements_.assign(next.statements.begin(), next.statements.end());
                run();
                break;
        }
    }

    /// Runs statements until they are done or one of them waits for data.
    void run() {
        while (!statements_.empty()) {
            const statement now = statements_.front();
            if (status_ == 'E' && now.what != statement::kind::commit) {
                fail();
                return;
            }
            if (now.what == statement::kind::copy_in) {
                begin_copy(now);
                return;
            }
            if (!execute(now)) {
                return;
            }
            statements_.pop_front();
        }
        if (!extended_) {
            say_ready();
        }
    }

    bool execute(const statement& now) {
        using kind = statement::kind;
        switch (now.what) {
            case kind::error:
                fail();
                return false;
            case kind::empty:
                say('I');
                return true;
            case kind::begin:
                status_ = 'T';
                break;
            case kind::commit:
                status_ = 'I';
                break;
            case kind::copy_out:
                for (char type : {'H', 'd', 'd', 'c'}) {
                    say(type);
                }
                break;
            case kind::rows:
                if (!extended_) {
                    say('T');
                }
                say('D');
                if (extended_ && suspends_) {
                    say('s');
                    return true;
                }
                break;
            case kind::copy_in:
                break;
        }
        say('C');
        return true;
    }

    void begin_copy(const statement& now) {
        say('G');
        in_copy_ = true;
        fails_after_ = now.fails_after;
        if (fails_after_ == 0) {
            fail();  // A statement trigger does that, before any of the data is read.
        }
    }

    void read_in_copy(const message& next) {
        switch (next.type) {
            case 'S':
            case 'H':
                break;
            case 'd':
                if (fails_after_ > 0 && --fails_after_ == 0) {
                    fail();
                }
                break;
            case 'c':
                in_copy_ = false;
                say('C');
                statements_.pop_front();
                run();
                break;
            case 'f':
                fail();
                break;
            default:
                say('E');
                say('E');
                dead_ = true;
        }
    }

    std::vector<reply>* out_ = nullptr;
    std::deque<statement> statements_;
    int fails_after_ = -1;
    bool extended_ = false;  // the last message was one of extended query
    bool skipping_ = false;
    bool implicit_ = false;  // a transaction that Sync will end
    bool in_copy_ = false;
    bool suspends_ = false;
    bool own_ = false;
    bool dead_ = false;
    char status_ = 'I';
};

}  // namespace pgweir::protocol::test
