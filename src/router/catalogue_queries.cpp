#include "router/catalogue_queries.hpp"

#include <array>

namespace pgweir::router {

namespace {

// Objects below oid 16384 came with PostgreSQL. Arrays stand for the type of their elements. Texts
// are cut one byte behind what the grammar takes, so that the builder sees that they are too long.
// With search_path = pg_catalog, definitions have every other name with its schema.

constexpr std::string_view database = R"(
select current_database(),
       case when source in ('default', 'configuration file', 'command line', 'environment variable')
            then reset_val end
from pg_catalog.pg_settings where name = 'search_path')";

constexpr std::string_view search_paths = R"(
select coalesce(r.rolname, ''), s.setdatabase <> 0, substr(c.setting, 13)
from pg_db_role_setting s
left join pg_roles r on r.oid = s.setrole
cross join unnest(s.setconfig) c(setting)
where c.setting like 'search\_path=%'
  and (s.setrole = 0 or r.rolname is not null)
  and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
order by 1, 2)";

// oid, schema, name, arguments, arguments that may be left out, variadic, volatility, built in,
// whether it can be called with one argument, and so as x.f; functions that it is made of, types
// that it takes and gives, definition.
constexpr std::string_view functions = R"(
select p.oid, n.nspname, p.proname, p.pronargs, p.pronargdefaults, p.provariadic <> 0,
       p.provolatile, p.oid < 16384,
       p.pronargs >= 1 and p.pronargs - p.pronargdefaults <= 1,
       case when p.oid >= 16384 then concat_ws(' ', a.aggtransfn::oid, a.aggfinalfn::oid,
           a.aggcombinefn::oid, a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid,
           a.aggminvtransfn::oid, a.aggmfinalfn::oid) end,
       case when p.oid >= 16384 then (
           select string_agg(case when t.typelem <> 0 and t.typlen = -1 then t.typelem else t.oid end::text, ' '
                             order by t.oid)
           from unnest(p.proargtypes::oid[] || p.prorettype) used(oid)
           join pg_type t on t.oid = used.oid
           where used.oid >= 16384) end,
       case when p.oid >= 16384 and p.prokind in ('f', 'w') then left(pg_get_functiondef(p.oid), 65537) end
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
left join pg_aggregate a on a.aggfnoid::oid = p.oid
where p.prokind <> 'p'
order by p.oid)";

constexpr std::string_view operators = R"(
select n.nspname, o.oprname, case when o.oprkind = 'b' then 2 else 1 end, o.oprcode::oid
from pg_operator o
join pg_namespace n on n.oid = o.oprnamespace
where o.oprcode::oid <> 0
order by o.oid)";

constexpr std::string_view relations = R"(
select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.oid < 16384,
       case when c.oid >= 16384 and c.relkind = 'v' then left(pg_get_viewdef(c.oid), 65537) end
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
order by c.oid)";

constexpr std::string_view children = R"(
select i.inhparent, i.inhrelid
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where c.relkind in ('p', 'f') or c.relpersistence <> 'p' or c.relhassubclass
order by 1, 2)";

constexpr std::string_view policies = R"(
select p.polrelid, left(pg_get_expr(p.polqual, p.polrelid), 65537)
from pg_policy p
where p.polcmd in ('r', '*') and p.polqual is not null
order by p.oid)";

constexpr std::string_view columns = R"(
select distinct c.oid, c.reltype,
       case when t.typelem <> 0 and t.typlen = -1 then t.typelem else t.oid end
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_type t on t.oid = a.atttypid
where a.attnum > 0 and not a.attisdropped and t.oid >= 16384 and c.oid >= 16384
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
order by 1, 3)";

constexpr std::string_view types = R"(
select t.oid, n.nspname, t.typname,
       case when t.typbasetype <> 0 then t.typbasetype
            when t.typelem <> 0 and t.typlen = -1 then t.typelem
            else coalesce((select r.rngsubtype from pg_range r where r.rngtypid = t.oid), 0) end
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where not (t.oid >= 16384 and t.typelem <> 0 and t.typlen = -1)
  and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
order by t.oid)";

// What turns a user's type into one of PostgreSQL's own, or compares the two, counts for the
// user's.
constexpr std::string_view type_functions = R"(
select distinct used.type, used.function from (
    select t.oid, unnest(array[t.typinput::oid, t.typoutput::oid, t.typreceive::oid,
                               t.typsend::oid, t.typmodin::oid, t.typmodout::oid])
    from pg_type t where t.oid >= 16384
    union all select castsource, castfunc from pg_cast where castsource >= 16384 or casttarget < 16384
    union all select casttarget, castfunc from pg_cast where casttarget >= 16384 or castsource < 16384
    union all select amproclefttype, amproc::oid from pg_amproc
              where amproclefttype >= 16384 or amprocrighttype < 16384
    union all select amprocrighttype, amproc::oid from pg_amproc
              where amprocrighttype >= 16384 or amproclefttype < 16384
    union all select ao.amoplefttype, o.oprcode::oid
              from pg_amop ao join pg_operator o on o.oid = ao.amopopr
              where ao.amoplefttype >= 16384 or ao.amoprighttype < 16384
    union all select ao.amoprighttype, o.oprcode::oid
              from pg_amop ao join pg_operator o on o.oid = ao.amopopr
              where ao.amoprighttype >= 16384 or ao.amoplefttype < 16384
    union all select rngtypid, unnest(array[rngcanonical::oid, rngsubdiff::oid]) from pg_range
) used (type, function)
where used.function >= 16384
order by 1, 2)";

constexpr std::string_view constraints = R"(
select contypid, left(pg_get_expr(conbin, 0), 65537)
from pg_constraint
where contypid <> 0 and contype = 'c'
order by oid)";

constexpr std::array queries = std::to_array<catalogue_query>({
    {catalogue_part::nothing, 0, "begin transaction isolation level repeatable read, read only"},
    {catalogue_part::database, 2, database},
    {catalogue_part::nothing, 0, "set local search_path = pg_catalog"},
    {catalogue_part::search_paths, 3, search_paths},
    {catalogue_part::functions, 12, functions},
    {catalogue_part::operators, 4, operators},
    {catalogue_part::relations, 8, relations},
    {catalogue_part::children, 2, children},
    {catalogue_part::policies, 2, policies},
    {catalogue_part::columns, 3, columns},
    {catalogue_part::types, 4, types},
    {catalogue_part::type_functions, 2, type_functions},
    {catalogue_part::constraints, 2, constraints},
    {catalogue_part::nothing, 0, "commit"},
});

}  // namespace

std::span<const catalogue_query> catalogue_queries() noexcept {
    return queries;
}

}  // namespace pgweir::router
