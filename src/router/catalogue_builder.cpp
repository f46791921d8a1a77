#include "router/catalogue_builder.hpp"

#include "router/builtin.hpp"
#include "router/code_words.hpp"
#include "router/large_stack.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace pgweir::router {

namespace {

using object_id = std::uint32_t;

constexpr object_id first_of_users = 16384;
constexpr judgement harmless_read{true, reason::read, true};
constexpr judgement plain_read{true, reason::read, false};

constexpr judgement not_read(reason why) noexcept {
    return {false, why, false};
}

constexpr int any_number = 0x7fff;

template <typename Number>
bool read_number(std::string_view text, Number& out) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

bool is_true(std::string_view text) noexcept {
    return text == "t" || text == "true";
}

/// Numbers with blanks between them; those that are zero name nothing.
bool read_ids(std::string_view text, std::vector<object_id>& out) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        object_id one = 0;
        if (!read_number(text.substr(0, end), one)) {
            return false;
        }
        if (one != 0) {
            out.push_back(one);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return true;
}

}  // namespace

struct catalogue_builder::function_entry {
    std::string schema;
    std::string name;
    bool of_user = false;
    judgement declared;  ///< by what PostgreSQL says of it alone
    std::vector<object_id> made_of;
    std::vector<object_id> type_ids;
    std::string definition;

    code_words words;
    index_list functions;
    index_list types;
};

struct catalogue_builder::relation_entry {
    std::string schema;
    std::string name;
    judgement declared;
    std::vector<std::string> expressions;  ///< the definition of a view, policies
    std::vector<object_id> children_ids;
    std::vector<object_id> type_ids;

    std::vector<text_facts> facts;
    index_list children;
    index_list types;
};

struct catalogue_builder::type_entry {
    bool of_user = false;
    std::vector<std::string> expressions;  ///< constraints
    std::vector<object_id> function_ids;
    std::vector<object_id> type_ids;

    std::vector<text_facts> facts;
    index_list functions;
    index_list types;
};

struct catalogue_builder::parts {
    struct operator_entry {
        std::string key;
        object_id function = 0;
    };

    std::vector<function_entry> functions;
    std::vector<relation_entry> relations;
    std::vector<type_entry> types;
    std::vector<operator_entry> operators;
    std::unordered_map<object_id, index> function_of;
    std::unordered_map<object_id, index> relation_of;
    std::unordered_map<object_id, index> type_of;
    std::unordered_map<object_id, std::vector<object_id>> row_types;  ///< with their columns'

    using verdicts = std::unordered_map<std::string, judgement>;

    /// The functions and relations that are no reads now, by their names with a schema and without.
    verdicts bad_functions;
    verdicts bad_relations;

    template <typename Entry>
    static void add_bad(const Entry& one, const judgement& verdict, verdicts& out) {
        if (!verdict.read) {
            out.emplace(one.name, verdict);
            out.emplace(catalogue::key_of(one.schema, one.name), verdict);
        }
    }

    bool has_database = false;
    std::uint64_t digest = 0xcbf29ce484222325;

    void mix(std::string_view value) noexcept {
        const auto take = [this](unsigned char byte) { digest = (digest ^ byte) * 0x100000001b3; };
        for (const char byte : value) {
            take(static_cast<unsigned char>(byte));
        }
        take(0xff);
    }

    static index_list indices(
        const std::vector<object_id>& ids, const std::unordered_map<object_id, index>& known
    ) {
        index_list out;
        for (const object_id id : ids) {
            const auto found = known.find(id);
            if (found != known.end()) {
                out.push_back(found->second);
            }
        }
        return out;
    }
};

catalogue_builder::catalogue_builder()
    : made_(std::make_shared<catalogue>()), parts_(std::make_unique<parts>()) {}

catalogue_builder::~catalogue_builder() = default;

bool catalogue_builder::add(std::size_t query, std::span<const std::string_view> values) {
    const auto queries = catalogue_queries();
    if (failed_ || query >= queries.size() || values.size() != queries[query].columns) {
        failed_ = true;
        return false;
    }
    parts_->mix({});
    for (const std::string_view value : values) {
        parts_->mix(value);
    }
    const auto added = [&] {
        switch (queries[query].part) {
            case catalogue_part::nothing:
                return true;
            case catalogue_part::database:
                return add_database(values);
            case catalogue_part::search_paths:
                return add_search_path(values);
            case catalogue_part::functions:
                return add_function(values);
            case catalogue_part::operators:
                return add_operator(values);
            case catalogue_part::relations:
                return add_relation(values);
            case catalogue_part::children:
                return add_child(values);
            case catalogue_part::policies:
                return add_policy(values);
            case catalogue_part::columns:
                return add_column(values);
            case catalogue_part::types:
                return add_type(values);
            case catalogue_part::type_functions:
                return add_type_function(values);
            case catalogue_part::constraints:
                return add_constraint(values);
        }
        return false;
    };
    failed_ = !added();
    return !failed_;
}

bool catalogue_builder::add_database(row values) {
    made_->database_ = values[0];
    if (!values[1].empty()) {
        made_->search_path_ = values[1];
    }
    parts_->has_database = true;
    return true;
}

/// They come in the order of what counts: for all databases, then for this one.
bool catalogue_builder::add_search_path(row values) {
    if (values[0].empty()) {
        made_->search_path_ = values[2];
    } else {
        made_->search_paths_.insert_or_assign(std::string(values[0]), std::string(values[2]));
    }
    return true;
}

bool catalogue_builder::add_function(row values) {
    object_id id = 0;
    int arguments = 0;
    int defaults = 0;
    function_entry one;
    const bool readable = read_number(values[0], id) && read_number(values[3], arguments) &&
                          read_number(values[4], defaults) && values[6].size() == 1 &&
                          read_ids(values[9], one.made_of) && read_ids(values[10], one.type_ids);
    if (!readable) {
        return false;
    }
    const auto declared = static_cast<volatility>(values[6].front());
    one.schema = values[1];
    one.name = values[2];
    one.of_user = !is_true(values[7]);
    one.definition = values[11];
    if (!one.of_user) {
        one.declared = builtin_function(one.name, declared);
    } else if (declared == volatility::is_volatile || one.definition.size() > text_limit || runs_its_arguments(one.name)) {
        one.declared = not_read(reason::function);
    } else {
        one.declared = plain_read;
    }
    const bool variadic = is_true(values[5]);
    const catalogue::overload overload{
        std::max(0, arguments - defaults - (variadic ? 1 : 0)),
        variadic ? any_number : arguments,
        parts_->functions.size(),
    };
    made_->functions_[catalogue::key_of(values[1], one.name)].push_back(overload);
    if (is_true(values[8])) {
        made_->row_functions_[one.name].push_back(overload.index);
    }
    parts_->function_of.emplace(id, overload.index);
    parts_->functions.push_back(std::move(one));
    return true;
}

bool catalogue_builder::add_operator(row values) {
    parts::operator_entry one;
    if (!read_number(values[3], one.function) || values[2].size() != 1) {
        return false;
    }
    one.key = catalogue::key_of(values[0], values[1]) + values[2].front();
    parts_->operators.push_back(std::move(one));
    return true;
}

namespace {

/// By its kind and persistence, as pg_class has them.
judgement declared_relation(char kind, char persistence) noexcept {
    if (kind == 'S' || persistence == 'u') {
        return not_read(reason::server_state);
    }
    if (persistence == 't') {
        return not_read(reason::session_state);
    }
    return kind == 'f' ? not_read(reason::function) : harmless_read;
}

}  // namespace

bool catalogue_builder::add_relation(row values) {
    object_id id = 0;
    if (!read_number(values[0], id) || values[3].size() != 1 || values[4].size() != 1) {
        return false;
    }
    relation_entry one;
    one.schema = values[1];
    one.name = values[2];
    one.declared = is_true(values[6]) ? builtin_relation(one.name)
                                      : declared_relation(values[3].front(), values[4].front());
    if (!values[7].empty()) {
        one.expressions.emplace_back(values[7]);
    } else if (id >= first_of_users && values[3] == "v") {
        one.declared = not_read(reason::not_understood);
    }
    made_->relations_.emplace(catalogue::key_of(values[1], one.name), parts_->relations.size());
    parts_->relation_of.emplace(id, parts_->relations.size());
    parts_->relations.push_back(std::move(one));
    return true;
}

bool catalogue_builder::add_child(row values) {
    object_id parent = 0;
    object_id child = 0;
    if (!read_number(values[0], parent) || !read_number(values[1], child)) {
        return false;
    }
    const auto found = parts_->relation_of.find(parent);
    if (found != parts_->relation_of.end()) {
        relation_entry& one = parts_->relations[found->second];
        one.children_ids.push_back(child);
        if (!parts_->relation_of.contains(child)) {
            one.declared = not_read(reason::session_state);  // another session's temporary table
        }
    }
    return true;
}

bool catalogue_builder::add_policy(row values) {
    object_id relation = 0;
    if (!read_number(values[0], relation)) {
        return false;
    }
    const auto found = parts_->relation_of.find(relation);
    if (found != parts_->relation_of.end()) {
        parts_->relations[found->second].expressions.push_back("select " + std::string(values[1]));
    }
    return true;
}

/// Rows of types come later: their types are joined by their numbers.
bool catalogue_builder::add_column(row values) {
    object_id relation = 0;
    object_id row_type = 0;
    object_id type = 0;
    if (!read_number(values[0], relation) || !read_number(values[1], row_type) ||
        !read_number(values[2], type)) {
        return false;
    }
    const auto found = parts_->relation_of.find(relation);
    if (found != parts_->relation_of.end()) {
        parts_->relations[found->second].type_ids.push_back(type);
    }
    parts_->row_types[row_type].push_back(type);
    return true;
}

bool catalogue_builder::add_type(row values) {
    object_id id = 0;
    object_id behind = 0;
    if (!read_number(values[0], id) || !read_number(values[3], behind)) {
        return false;
    }
    type_entry one;
    one.of_user = id >= first_of_users;
    if (behind != 0) {
        one.type_ids.push_back(behind);
    }
    made_->types_.emplace(catalogue::key_of(values[1], values[2]), parts_->types.size());
    parts_->type_of.emplace(id, parts_->types.size());
    parts_->types.push_back(std::move(one));
    return true;
}

bool catalogue_builder::add_type_function(row values) {
    object_id type = 0;
    object_id function = 0;
    if (!read_number(values[0], type) || !read_number(values[1], function)) {
        return false;
    }
    const auto found = parts_->type_of.find(type);
    if (found != parts_->type_of.end()) {
        parts_->types[found->second].function_ids.push_back(function);
    }
    return true;
}

bool catalogue_builder::add_constraint(row values) {
    object_id type = 0;
    if (!read_number(values[0], type)) {
        return false;
    }
    const auto found = parts_->type_of.find(type);
    if (found != parts_->type_of.end()) {
        parts_->types[found->second].expressions.push_back("select " + std::string(values[1]));
    }
    return true;
}

catalogue_ptr catalogue_builder::build() {
    const bool complete = parts_->has_database && !parts_->functions.empty() &&
                          !parts_->operators.empty() && !parts_->relations.empty() &&
                          !parts_->types.empty();
    if (failed_ || !complete) {
        return nullptr;
    }
    with_large_stack([this] {
        connect();
        settle();
    });
    made_->digest_ = parts_->digest;
    failed_ = true;  // what was made is not made again
    return std::exchange(made_, nullptr);
}

// From numbers and texts to who uses whom.

void catalogue_builder::connect() {
    connect_functions();
    connect_relations();
    connect_types();
    for (const parts::operator_entry& one : parts_->operators) {
        const auto found = parts_->function_of.find(one.function);
        if (found != parts_->function_of.end()) {
            made_->operators_[one.key].push_back(found->second);
        }
    }
}

void catalogue_builder::connect_functions() {
    for (function_entry& one : parts_->functions) {
        made_->function_verdicts_.push_back(one.declared);
        one.functions = parts::indices(one.made_of, parts_->function_of);
        one.types = parts::indices(one.type_ids, parts_->type_of);
        if (one.of_user && one.declared.read) {
            one.words = read_definition(one.definition);
        }
        one.definition = std::string();
    }
}

namespace {

std::vector<text_facts> facts_of(const std::vector<std::string>& expressions) {
    std::vector<text_facts> out;
    for (const std::string& text : expressions) {
        out.push_back(analyse(text, sql::backslash::plain));
    }
    return out;
}

}  // namespace

void catalogue_builder::connect_relations() {
    for (relation_entry& one : parts_->relations) {
        made_->relation_verdicts_.push_back(one.declared);
        one.children = parts::indices(one.children_ids, parts_->relation_of);
        one.types = parts::indices(one.type_ids, parts_->type_of);
        one.facts = facts_of(one.expressions);
    }
}

void catalogue_builder::connect_types() {
    for (auto& [row_type, types] : parts_->row_types) {
        const auto found = parts_->type_of.find(row_type);
        if (found != parts_->type_of.end()) {
            type_entry& one = parts_->types[found->second];
            one.type_ids.insert(one.type_ids.end(), types.begin(), types.end());
        }
    }
    for (type_entry& one : parts_->types) {
        made_->type_verdicts_.push_back(harmless_read);
        one.functions = parts::indices(one.function_ids, parts_->function_of);
        one.types = parts::indices(one.type_ids, parts_->type_of);
        one.facts = facts_of(one.expressions);
    }
}

// Verdicts, until none changes any more. They only get worse, so that comes to an end.

void catalogue_builder::settle() {
    for (index i = 0; i < parts_->functions.size(); i++) {
        parts::add_bad(parts_->functions[i], made_->function_verdicts_[i], parts_->bad_functions);
    }
    for (index i = 0; i < parts_->relations.size(); i++) {
        parts::add_bad(parts_->relations[i], made_->relation_verdicts_[i], parts_->bad_relations);
    }
    // Forwards and backwards in turn: then long chains, which mostly go one way, take few rounds.
    bool changed = true;
    for (bool backwards = false; changed; backwards = !backwards) {
        const auto each = [backwards](std::size_t count, auto settle_one) {
            bool any = false;
            for (index i = 0; i < count; i++) {
                any = settle_one(backwards ? count - 1 - i : i) || any;
            }
            return any;
        };
        const bool functions =
            each(parts_->functions.size(), [this](index i) { return settle_function(i); });
        const bool types = each(parts_->types.size(), [this](index i) { return settle_type(i); });
        const bool relations =
            each(parts_->relations.size(), [this](index i) { return settle_relation(i); });
        changed = functions || types || relations;
    }
}

namespace {

/// Takes a worse verdict. True if it is another one.
bool worsen(judgement& verdict, const judgement& by) noexcept {
    const judgement now = both(verdict, by);
    const bool other = now.read != verdict.read || now.harmless != verdict.harmless;
    if (other) {
        verdict = now;
    }
    return other;
}

}  // namespace

judgement catalogue_builder::judge_code(const function_entry& of) const {
    judgement result = harmless_read;
    const auto take = [&](const code_words::set& names, const parts::verdicts& bad) {
        for (const std::string& name : names) {
            const auto found = bad.find(name);
            if (found != bad.end()) {
                result = both(result, found->second);
            }
        }
    };
    take(of.words.called, parts_->bad_functions);
    take(of.words.mentioned, parts_->bad_relations);
    for (const std::string& field : of.words.fields) {
        if (made_->row_functions_.contains(field)) {
            take({field}, parts_->bad_functions);
        }
    }
    return result;
}

/// As PostgreSQL prints it: what is not in pg_catalog has its schema.
judgement catalogue_builder::judge_expression(const text_facts& facts) const {
    static const std::vector<std::string> path = {"pg_catalog"};
    if (facts.why != reason::read) {
        return not_read(facts.why);
    }
    return made_->judge_names(facts, path);
}

bool catalogue_builder::settle_function(index i) {
    const function_entry& one = parts_->functions[i];
    judgement& verdict = made_->function_verdicts_[i];
    if (!one.of_user || !verdict.read) {
        return false;
    }
    judgement result = judge_code(one);
    for (const index other : one.functions) {
        result = both(result, made_->function_verdicts_[other]);
    }
    for (const index type : one.types) {
        result = both(result, made_->type_verdicts_[type]);
    }
    const bool changed = worsen(verdict, result);
    parts::add_bad(one, verdict, parts_->bad_functions);
    return changed;
}

bool catalogue_builder::settle_type(index i) {
    const type_entry& one = parts_->types[i];
    judgement result = harmless_read;
    for (const index function : one.functions) {
        const judgement& verdict = made_->function_verdicts_[function];
        // A cast from text to a user's type makes text no type of the user's.
        if (one.of_user || !verdict.read) {
            result = both(result, verdict);
        }
    }
    for (const index type : one.types) {
        result = both(result, made_->type_verdicts_[type]);
    }
    for (const text_facts& facts : one.facts) {
        result = both(result, judge_expression(facts));
    }
    return worsen(made_->type_verdicts_[i], result);
}

bool catalogue_builder::settle_relation(index i) {
    const relation_entry& one = parts_->relations[i];
    judgement& verdict = made_->relation_verdicts_[i];
    if (!verdict.read) {
        return false;
    }
    judgement result = harmless_read;
    for (const index child : one.children) {
        result = both(result, made_->relation_verdicts_[child]);
    }
    for (const index type : one.types) {
        result = both(result, made_->type_verdicts_[type]);
    }
    for (const text_facts& facts : one.facts) {
        result = both(result, judge_expression(facts));
    }
    const bool changed = worsen(verdict, result);
    parts::add_bad(one, verdict, parts_->bad_relations);
    return changed;
}

}  // namespace pgweir::router
