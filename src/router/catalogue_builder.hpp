#pragma once

// Makes a catalogue from the rows of catalogue_queries. Nothing in them is trusted: a row that is
// not as expected makes the whole attempt fail, and an expression that the grammar does not know
// makes what uses it no read. One thread; build() runs the grammar on a thread of its own and
// waits for it, so it is not for a worker.

#include "router/catalogue.hpp"
#include "router/catalogue_queries.hpp"
#include "router/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace pgweir::router {

class catalogue_builder {
public:
    catalogue_builder();
    ~catalogue_builder();

    /// One row of the query with this index; NULL as an empty value. False if it is not as
    /// expected: nothing can be built any more.
    bool add(std::size_t query, std::span<const std::string_view> row);

    /// Once, after all rows. None if something is missing or was refused.
    catalogue_ptr build();

private:
    using index = std::size_t;
    using index_list = std::vector<index>;
    using row = std::span<const std::string_view>;

    struct function_entry;
    struct relation_entry;
    struct type_entry;

    bool add_database(row values);
    bool add_search_path(row values);
    bool add_function(row values);
    bool add_operator(row values);
    bool add_relation(row values);
    bool add_child(row values);
    bool add_policy(row values);
    bool add_column(row values);
    bool add_type(row values);
    bool add_type_function(row values);
    bool add_constraint(row values);

    // On the thread with the large stack.
    void connect();
    void connect_functions();
    void connect_relations();
    void connect_types();
    void settle();
    bool settle_function(index i);  ///< true if its verdict has changed
    bool settle_type(index i);
    bool settle_relation(index i);
    judgement judge_code(const function_entry& of) const;
    judgement judge_expression(const text_facts& facts) const;

    struct parts;

    std::shared_ptr<catalogue> made_;
    std::unique_ptr<parts> parts_;
    bool failed_ = false;
};

}  // namespace pgweir::router
