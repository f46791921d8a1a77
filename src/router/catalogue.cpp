#include "router/catalogue.hpp"

#include "router/search_path.hpp"

#include <algorithm>
#include <span>

namespace pgweir::router {

namespace {

constexpr judgement harmless_read{true, reason::read, true};
constexpr judgement unknown{false, reason::unknown_name, false};

/// A parameter of the session's own making: it is the same for the session on every server.
bool is_own_parameter(std::string_view name) noexcept {
    return name.find('.') != std::string_view::npos;
}

/// Functions that the grammar calls by other words, and that older servers may not have.
bool is_of_grammar(const used_name& name) noexcept {
    return name.schema == "pg_catalog" && name.name == "extract";
}

/// The schemas where a name may be.
std::span<const std::string> places_of(
    const used_name& name, const std::vector<std::string>& path
) noexcept {
    return name.schema.empty() ? std::span(path) : std::span(&name.schema, 1);
}

}  // namespace

judgement both(const judgement& one, const judgement& other) noexcept {
    if (one.read && other.read) {
        return {true, reason::read, one.harmless && other.harmless};
    }
    return {
        false,
        stricter(one.read ? other.why : one.why, other.read ? one.why : other.why),
        false,
    };
}

std::string catalogue::key_of(std::string_view schema, std::string_view name) {
    std::string key;
    key.reserve(schema.size() + name.size() + 1);
    key += schema;
    key += '\0';
    key += name;
    return key;
}

judgement catalogue::judge(const text_facts& facts, const name_scope& scope) const {
    if (facts.why != reason::read) {
        return {false, facts.why, false};
    }
    const std::optional<schema_list> path = schemas_of(scope);
    return path ? judge_names(facts, *path) : unknown;
}

std::optional<catalogue::schema_list> catalogue::schemas_of(const name_scope& scope) const {
    if (!scope.search_path_known) {
        return std::nullopt;
    }
    if (!scope.search_path.empty()) {
        return read_search_path(scope.search_path, scope.role);
    }
    const auto own = search_paths_.find(scope.user.empty() ? scope.role : scope.user);
    if (own != search_paths_.end()) {
        return read_search_path(own->second, scope.role);
    }
    return search_path_ ? read_search_path(*search_path_, scope.role) : std::nullopt;
}

judgement catalogue::judge_names(const text_facts& facts, const schema_list& path) const {
    judgement result = harmless_read;
    for (const used_function& one : facts.functions) {
        result = both(result, judge_function(one, path));
    }
    for (const used_operator& one : facts.operators) {
        result = both(result, judge_operator(one, path));
    }
    for (const used_name& one : facts.relations) {
        result = both(result, judge_relation(one, path));
    }
    for (const used_name& one : facts.types) {
        result = both(result, judge_type(one, path).value_or(unknown));
    }
    for (const std::string& field : facts.fields) {
        const auto found = row_functions_.find(field);
        if (found != row_functions_.end()) {
            for (const std::size_t index : found->second) {
                result = both(result, function_verdicts_[index]);
            }
        }
    }
    return result;
}

judgement catalogue::judge_function(const used_function& one, const schema_list& path) const {
    const bool own_parameter = one.name.name == "current_setting" && is_own_parameter(one.setting);
    std::optional<judgement> result;
    for (const std::string& schema : places_of(one.name, path)) {
        if (own_parameter && schema == "pg_catalog") {
            result = result ? both(*result, harmless_read) : harmless_read;
            continue;
        }
        const auto found = functions_.find(key_of(schema, one.name.name));
        if (found == functions_.end()) {
            continue;
        }
        bool hides_others = false;
        for (const overload& candidate : found->second) {
            // Two functions without arguments differ in their schemas alone: the first is called.
            hides_others = hides_others || (one.arguments == 0 && candidate.most == 0);
            const bool fits = one.variadic ||
                              (candidate.least <= one.arguments && one.arguments <= candidate.most);
            if (fits) {
                const judgement& verdict = function_verdicts_[candidate.index];
                result = result ? both(*result, verdict) : verdict;
            }
        }
        if (hides_others) {
            break;
        }
    }
    if (!result && is_of_grammar(one.name)) {
        return harmless_read;
    }
    if (!result && one.arguments == 1) {
        result = judge_type(one.name, path);  // type(x) is a cast
    }
    return result.value_or(unknown);
}

judgement catalogue::judge_operator(const used_operator& one, const schema_list& path) const {
    std::optional<judgement> result;
    for (const std::string& schema : places_of(one.name, path)) {
        const auto found =
            operators_.find(key_of(schema, one.name.name) + static_cast<char>('0' + one.operands));
        if (found == operators_.end()) {
            continue;
        }
        for (const std::size_t index : found->second) {
            const judgement& verdict = function_verdicts_[index];
            result = result ? both(*result, verdict) : verdict;
        }
    }
    return result.value_or(unknown);
}

judgement catalogue::judge_relation(const used_name& name, const schema_list& path) const {
    std::optional<judgement> result;
    for (const std::string& schema : places_of(name, path)) {
        const auto found = relations_.find(key_of(schema, name.name));
        if (found != relations_.end()) {
            const judgement& verdict = relation_verdicts_[found->second];
            result = result ? both(*result, verdict) : verdict;
        }
    }
    return result.value_or(unknown);
}

std::optional<judgement> catalogue::judge_type(const used_name& name, const schema_list& path)
    const {
    std::optional<judgement> result;
    for (const std::string& schema : places_of(name, path)) {
        const auto found = types_.find(key_of(schema, name.name));
        if (found != types_.end()) {
            const judgement& verdict = type_verdicts_[found->second];
            result = result ? both(*result, verdict) : verdict;
        }
    }
    return result;
}

}  // namespace pgweir::router
