#pragma once

// What a database holds, as far as it matters for reading: which functions, operators, relations
// and types there are, and whether to use them is a read. Made by catalogue_builder from the rows
// of catalogue_queries; immutable since, and shared by whoever uses it. Any thread.
//
// Each entry has its verdict with all that is behind it: the functions in a view, in the policies
// of a table and in the constraints of a domain, the parts of an aggregate, the partitions of a
// table, what the code of a function calls.

#include "router/analysis.hpp"
#include "router/judge.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pgweir::router {

class catalogue {
public:
    /// What a text with these facts may do to a server of this database. A name counts as all that
    /// it can reach through the search_path.
    judgement judge(const text_facts& facts, const name_scope& scope) const;

    const std::string& database() const noexcept { return database_; }

    /// Of all that it was made from: equal rows give equal numbers.
    std::uint64_t digest() const noexcept { return digest_; }

    std::size_t functions() const noexcept { return function_verdicts_.size(); }

    std::size_t relations() const noexcept { return relation_verdicts_.size(); }

private:
    friend class catalogue_builder;

    /// With how many arguments it can be called; the verdict is in function_verdicts_.
    struct overload {
        int least = 0;
        int most = 0;
        std::size_t index = 0;
    };

    using schema_list = std::vector<std::string>;

    /// "schema", a zero byte, "name".
    static std::string key_of(std::string_view schema, std::string_view name);

    std::optional<schema_list> schemas_of(const name_scope& scope) const;
    judgement judge_names(const text_facts& facts, const schema_list& path) const;
    judgement judge_function(const used_function& one, const schema_list& path) const;
    judgement judge_operator(const used_operator& one, const schema_list& path) const;
    judgement judge_relation(const used_name& name, const schema_list& path) const;
    std::optional<judgement> judge_type(const used_name& name, const schema_list& path) const;

    std::string database_;
    std::uint64_t digest_ = 0;

    std::unordered_map<std::string, std::vector<overload>> functions_;
    std::vector<judgement> function_verdicts_;
    std::unordered_map<std::string, std::vector<std::size_t>> operators_;  ///< of functions
    std::unordered_map<std::string, std::size_t> relations_;
    std::vector<judgement> relation_verdicts_;
    std::unordered_map<std::string, std::size_t> types_;
    std::vector<judgement> type_verdicts_;

    /// The functions that x.name may call with the row x, by their names alone.
    std::unordered_map<std::string, std::vector<std::size_t>> row_functions_;

    std::map<std::string, std::string, std::less<>> search_paths_;  ///< of users with one
    std::optional<std::string> search_path_;                        ///< of all others
};

using catalogue_ptr = std::shared_ptr<const catalogue>;

/// Of what uses two things.
judgement both(const judgement& one, const judgement& other) noexcept;

}  // namespace pgweir::router
