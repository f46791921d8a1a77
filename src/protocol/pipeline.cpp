#include "protocol/pipeline.hpp"

#include <array>
#include <cassert>

namespace pgweir::protocol {

namespace {

/// head_ may grow to this before the answered requests are cut off.
constexpr std::size_t compact_above = 64;

/// Memory that a long pipeline needed goes when all of it has been answered.
constexpr std::size_t keep_capacity = 256;

constexpr unsigned bit(request what) {
    return 1u << static_cast<unsigned>(what);
}

constexpr bool is_extended(request what) {
    return (bit(what) & (bit(request::parse) | bit(request::bind) | bit(request::describe) |
                         bit(request::execute) | bit(request::close))) != 0;
}

/// For each type of reply the requests that it can answer.
constexpr auto answered_by = [] {
    const unsigned rows = bit(request::query) | bit(request::execute);
    std::array<std::uint16_t, 256> table{};
    const auto put = [&table](char type, unsigned requests) {
        table[static_cast<unsigned char>(type)] = static_cast<std::uint16_t>(requests);
    };
    put('1', bit(request::parse));
    put('2', bit(request::bind));
    put('3', bit(request::close));
    put('t', bit(request::describe));
    put('n', bit(request::describe));
    put('T', bit(request::describe) | bit(request::query));
    put('V', bit(request::function_call));
    put('s', bit(request::execute));
    for (char type : {'D', 'C', 'I', 'G', 'H', 'W', 'd', 'c'}) {
        put(type, rows);
    }
    return table;
}();

/// True if a reply that answers the request is also the last one to it, apart from ReadyForQuery.
constexpr bool completes(char type, request head) {
    switch (type) {
        case '1':
        case '2':
        case '3':
        case 'n':
        case 's':
            return true;
        case 'T':
            return head == request::describe;
        case 'C':
        case 'I':
            return head == request::execute;
        default:
            return false;
    }
}

}  // namespace

std::optional<request> request_of(char type) noexcept {
    switch (type) {
        case 'Q':
            return request::query;
        case 'F':
            return request::function_call;
        case 'S':
            return request::sync;
        case 'P':
            return request::parse;
        case 'B':
            return request::bind;
        case 'D':
            return request::describe;
        case 'E':
            return request::execute;
        case 'C':
            return request::close;
        case 'H':
            return request::flush;
        case 'd':
            return request::copy_data;
        case 'c':
        case 'f':
            return request::copy_end;
        default:
            return std::nullopt;
    }
}

// What is owed.

void pipeline::push(request what, origin whose, notice about) {
    constexpr std::array<unsigned char, 4> marks = {0, pooler_bit, injected_bit, local_bit};
    const unsigned mark = marks[static_cast<std::size_t>(whose)] |
                          (about == notice::wanted ? unsigned{notice_bit} : 0u);
    owed_.push_back(static_cast<char>(static_cast<unsigned>(what) | mark));
    const unsigned ends = ends_in_ready(what) ? 1 : 0;
    ready_owed_ += ends;
    segment_ += ends;
}

void pipeline::leave_head() {
    ready_owed_ -= ends_in_ready(head()) ? 1 : 0;
    ++head_;
}

/// Skipped by the server, or failed.
void pipeline::drop_head() {
    passed_.dropped += head_has(notice_bit) ? 1 : 0;
    leave_head();
}

/// Answered.
void pipeline::pop() {
    passed_.done += head_has(notice_bit) ? 1 : 0;
    leave_head();
    compact();
}

request pipeline::take_local() {
    assert(local_next());
    const request what = head();
    pop();
    return what;
}

/// After requests were dropped from the head: ends of COPYs that have come to the head were sent
/// outside of a COPY, so the server ignores them.
void pipeline::compact() {
    answered_ = false;
    while (!empty() && head() == request::copy_end) {
        ++head_;
    }
    if (empty()) {
        owed_.clear();
        base_ += head_;
        head_ = 0;
        if (owed_.capacity() > keep_capacity) {
            owed_ = std::string();
        }
    } else if (head_ >= compact_above && 2 * head_ >= owed_.size()) {
        owed_.erase(0, head_);
        base_ += head_;
        head_ = 0;
    }
}

std::size_t pipeline::find_behind_head(request what) const noexcept {
    return owed_.find(static_cast<char>(what), head_ + 1);
}

// Requests.

bool pipeline::sent(request what, origin whose, notice about) {
    assert(whose != origin::pooler || what != request::query || !(needs_sync() || copy_in_open()));
    if (what == request::flush || what == request::copy_data) {
        return false;
    }
    if (skipping_ && sent_while_skipping(what)) {
        return false;
    }
    if (what == request::copy_end) {
        if (empty()) {
            return false;
        }
        if (copy_ == copy_state::in_open) {
            copy_ = copy_state::in_ended;
        }
    } else if (what == request::sync) {
        if (copy_ == copy_state::in_open) {
            ++doubtful_;
            return false;
        }
        unsynced_ = false;
        executing_ = false;
    } else if (is_extended(what)) {
        unsynced_ = true;
        executing_ = executing_ || what == request::execute;
    }
    push(what, whose, about);
    return true;
}

/// Returns true if the request is skipped by the server.
bool pipeline::sent_while_skipping(request what) {
    if (what == request::sync) {
        skipping_ = false;
        return false;
    }
    // If a Sync that was sent during the failed COPY ends the skipping already, this request is
    // served.
    if (doubtful_ != 0 && what != request::copy_end) {
        broken_ = true;
    }
    return true;
}

// Replies.

pipeline::verdict pipeline::desync() noexcept {
    broken_ = true;
    return verdict::desync;
}

pipeline::verdict pipeline::reply(char type) {
    if (broken_) {
        return verdict::desync;
    }
    switch (type) {
        case 'S':
        case 'A':
            return verdict::forward;
        case 'N':
            return whose();
        case 'E':
            return error_response();
        default:
            break;
    }
    if (empty() || (answered_by[static_cast<unsigned char>(type)] & bit(head())) == 0) {
        return desync();
    }
    doubtful_ = 0;  // Replies keep the order of the requests: what was in doubt is behind us.
    if (!copy_step(type)) {
        return desync();
    }
    const verdict result = whose();
    answered_ = true;
    if (completes(type, head())) {
        pop();
    }
    return result;
}

pipeline::verdict pipeline::error_response() {
    if (empty()) {
        skipping_ = unsynced_;
        return verdict::forward;  // The server is being terminated.
    }
    const verdict result = head_has(pooler_bit) ? verdict::own : verdict::forward;
    const bool in_copy = copy_ == copy_state::in_open || copy_ == copy_state::in_ended;
    copy_ = copy_state::none;
    answered_ = true;
    if (head_has(notice_bit) && ends_in_ready(head())) {
        ++passed_.dropped;
        owed_[head_] = static_cast<char>(static_cast<unsigned char>(owed_[head_]) & ~notice_bit);
    }
    // Unlike other replies, an error does not end a doubt: a Sync can fail, too.
    if (is_extended(head()) && !skip_to_sync(in_copy)) {
        return desync();
    }
    return result;
}

/// Drops what the server skips after an error of extended query. False if nobody can know what that
/// is: if the error ended a COPY, a Sync in doubt may end the skipping earlier, so that other
/// requests are served.
bool pipeline::skip_to_sync(bool in_copy) {
    const bool early_end = in_copy && doubtful_ != 0;
    drop_head();
    while (!empty() && head() != request::sync) {
        if (early_end && head() != request::copy_end) {
            return false;
        }
        drop_head();
    }
    skipping_ = empty();
    compact();
    return true;
}

/// Follows a COPY. False if the reply does not belong where the COPY is.
bool pipeline::copy_step(char type) {
    switch (type) {
        case 'G':
        case 'H':
        case 'W':
            if (copy_ != copy_state::none) {
                return false;
            }
            if (type == 'G') {
                copy_in_begins();
            } else {
                copy_ = type == 'H' ? copy_state::out : copy_state::both;
            }
            return true;
        case 'd':
            return copy_ == copy_state::out || copy_ == copy_state::both;
        case 'c':
            if (copy_ == copy_state::out) {
                copy_ = copy_state::none;
                return true;
            }
            return copy_ == copy_state::both;
        case 'C':
            if (copy_ == copy_state::in_open || copy_ == copy_state::out) {
                return false;
            }
            if (copy_ == copy_state::in_ended) {
                copy_in_completes();
            }
            copy_ = copy_state::none;
            return true;
        case 'I':
        case 's':
            return copy_ == copy_state::none;
        default:  // Streaming replication ends with rows that tell the next timeline.
            return copy_ == copy_state::none || copy_ == copy_state::both;
    }
}

/// The server takes everything up to the first CopyDone or CopyFail for the COPY's, and ignores
/// Syncs in it.
void pipeline::copy_in_begins() {
    std::size_t end = find_behind_head(request::copy_end);
    copy_ = end == std::string::npos ? copy_state::in_open : copy_state::in_ended;
    end = end == std::string::npos ? owed_.size() : end;
    std::size_t kept = head_ + 1;
    for (std::size_t index = kept; index != end; ++index) {
        if (request_in(owed_[index]) == request::sync) {
            ++doubtful_;
            --ready_owed_;
        } else {
            owed_[kept++] = owed_[index];
        }
    }
    if (is_extended(head()) && owed_.find(static_cast<char>(request::sync), end) == owed_.npos) {
        unsynced_ = true;  // The Sync that followed this Execute is gone.
    }
    owed_.erase(kept, end - kept);
    base_ += end - kept;  // what comes behind keeps its number
}

void pipeline::copy_in_completes() {
    owed_.erase(find_behind_head(request::copy_end), 1);
    base_++;  // what comes behind keeps its number
}

pipeline::verdict pipeline::ready(char status) {
    const bool known = status == 'I' || status == 'T' || status == 'E';
    if (broken_ || !known || copy_ != copy_state::none) {
        return desync();
    }
    verdict result = verdict::forward;
    if (!empty() && (head() == request::sync || (ends_in_ready(head()) && answered_))) {
        result = whose();
        pop();
    } else if (doubtful_ != 0) {
        --doubtful_;  // The failed COPY had not read that Sync, which then also ended the skipping.
        skipping_ = false;
    } else {
        return desync();
    }
    if (empty()) {
        unsynced_ = false;
    }
    status_ = static_cast<transaction_status>(status);
    return result;
}

}  // namespace pgweir::protocol
