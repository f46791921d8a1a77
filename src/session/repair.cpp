#include "session/repair.hpp"

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace pgweir::session {

namespace {

/// What says nothing of results: answers to Parse, Bind, Close and Describe, notices, and what a
/// server may say at any time.
constexpr protocol::type_set held_types{"123TtnNSA"};

/// What is about the session, not about the requests.
constexpr protocol::type_set session_types{"SA"};

/// Strings keep this much for the next time.
constexpr std::size_t kept_capacity = 512;

/// Of the message that begins there, the header included.
std::size_t length_at(std::string_view bytes, std::size_t begin) noexcept {
    const auto byte = [at = bytes.data() + begin](int index) {
        return std::size_t{static_cast<unsigned char>(at[index])};
    };
    return (byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4)) + 1;
}

void empty(std::string& text) {
    if (text.capacity() > kept_capacity) {
        text = std::string();
    } else {
        text.clear();
    }
}

}  // namespace

refusal read_refusal(std::string_view error) noexcept {
    refusal found;
    protocol::message_reader reader(error.substr(std::min(error.size(), protocol::header_size)));
    while (const char code = reader.byte()) {
        const std::string_view value = reader.cstring();
        if (code == 'C') {
            found.sqlstate = value;
        } else if (code == 'M') {
            found.message = value;
        } else if (code == 'R') {
            found.routine = value;
        }
    }
    return found;
}

bool may_be_the_standbys(std::string_view sqlstate) noexcept {
    constexpr std::array<std::string_view, 13> classes = {
        "08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "55", "57P", "58", "XX"};
    return std::any_of(classes.begin(), classes.end(), [&](std::string_view one) {
        return sqlstate.starts_with(one);
    });
}

bool is_outdated_plan(const refusal& error) noexcept {
    return error.sqlstate == "0A000" && error.routine == "RevalidateCachedQuery";
}

bool reply_guard::keep(std::string_view requests) {
    if (requests_.size() + requests.size() > request_limit) {
        state_ = state::off;
        return false;
    }
    requests_ += requests;
    return true;
}

reply_guard::verdict reply_guard::feed(std::string_view bytes) {
    switch (state_) {
        case state::off:
            return verdict::pass;
        case state::watching:
            break;
        case state::refused:
            held_ += bytes;
            return verdict::hold;
        case state::dropping:
            held_ += bytes;
            drop_messages();
            return verdict::hold;
    }
    const std::size_t before = held_.size();
    if (before != 0) {
        held_ += bytes;
    }
    const verdict found = look(before != 0 ? std::string_view(held_) : bytes);
    if (found == verdict::release) {
        state_ = state::off;
        held_.resize(before);
    } else if (before == 0) {
        held_ = bytes;
    }
    return found;
}

/// All that has come: goes on behind the messages that were looked at before.
reply_guard::verdict reply_guard::look(std::string_view all) noexcept {
    while (next_ + protocol::header_size <= all.size()) {
        const char type = all[next_];
        const std::size_t end = next_ + length_at(all, next_);
        if (type == 'E' && all.size() <= reply_limit && end <= reply_limit) {
            if (end > all.size()) {
                return verdict::hold;
            }
            error_ = next_;
            state_ = state::refused;
            return verdict::refused;
        }
        if (!held_types.contains(type)) {
            return verdict::release;
        }
        next_ = end;
    }
    const bool too_much = all.size() > reply_limit || next_ > reply_limit;
    return too_much ? verdict::release : verdict::hold;
}

refusal reply_guard::why() const noexcept {
    return read_refusal(std::string_view(held_).substr(error_, length_at(held_, error_)));
}

void reply_guard::drop() {
    state_ = state::dropping;
    next_ = 0;
    drop_messages();
}

void reply_guard::abandon() {
    held_.clear();
    next_ = 0;
    state_ = state::dropping;
}

/// Takes apart what is held, and forgets it but for a message that has only begun and is not to be
/// dropped.
void reply_guard::drop_messages() {
    while (next_ + protocol::header_size <= held_.size()) {
        const std::size_t end = next_ + length_at(held_, next_);
        if (session_types.contains(held_[next_])) {
            if (end > held_.size()) {
                break;
            }
            told_.append(held_, next_, end - next_);
        }
        next_ = end;
    }
    const std::size_t gone = std::min(next_, held_.size());
    held_.erase(0, gone);
    next_ -= gone;
}

std::string reply_guard::again(std::string& told) {
    told = std::exchange(told_, {});
    std::string requests = std::exchange(requests_, {});
    end();
    return requests;
}

std::string reply_guard::end() {
    state_ = state::off;
    next_ = 0;
    error_ = 0;
    empty(requests_);
    empty(told_);
    return std::exchange(held_, {});
}

}  // namespace pgweir::session
