#!/usr/bin/env escript
%% -*- coding: utf-8 -*-
%% Erlang's p1_pgsql: simple queries, and statements that are prepared by name. It has neither COPY nor cancel requests.

main([Port, User, Password, Transport]) ->
    logger:set_primary_config(level, none), % it warns of certificates that it was not told to verify
    [{ok, _} = application:ensure_all_started(One) || One <- [ssl, stringprep, p1_pgsql]],
    Connect = fun() ->
        {ok, Made} = pgsql:connect([{host, "127.0.0.1"}, {port, list_to_integer(Port)}, {database, "app"},
                                    {user, User}, {password, Password}, {as_binary, true},
                                    {transport, list_to_atom(Transport)}]),
        Made
    end,
    Db = Connect(),
    done(Db, "drop table if exists erlang_t"),
    done(Db, "create table erlang_t (a int primary key, b text)"),

    {ok, idle, [int4, int4], _} = pgsql:prepare(Db, "sum", "select $1::int + $2::int"),
    210 = lists:sum([binary_to_integer(executed(Db, "sum", [I, 1])) || I <- lists:seq(0, 19)]),
    step(),

    done(Db, "begin"),
    {ok, _, _, _} = pgsql:prepare(Db, "insert", "insert into erlang_t values ($1::int, $2)"),
    [{ok, {'INSERT', 1}} = pgsql:execute(Db, "insert", [I, <<"Größe 🐘"/utf8>>]) || I <- lists:seq(1, 10)],
    done(Db, "commit"),
    <<"Größe 🐘"/utf8>> = queried(Db, "select b from erlang_t where a = 7"),
    step(),

    done(Db, "begin"),
    done(Db, "delete from erlang_t"),
    done(Db, "rollback"),
    <<"10">> = queried(Db, "select count(*) from erlang_t"),
    step(),

    Everything = list_to_binary(lists:seq(0, 255)),
    <<"t">> = queried(Db, ["select '\\x", [io_lib:format("~2.16.0b", [B]) || <<B>> <= Everything], "'::bytea = ",
                           "(select string_agg(set_byte('\\x00', 0, n), '' order by n) from generate_series(0, 255) n)"]),
    step(),

    {ok, [{error, Division}]} = pgsql:squery(Db, "select 1 / 0"),
    <<"22012">> = proplists:get_value(code, Division),
    {error, Double} = pgsql:execute(Db, "insert", [1, <<"again">>]),
    <<"23505">> = proplists:get_value(code, Double),
    <<"42">> = executed(Db, "sum", [40, 2]),
    step(),

    Many = [Connect() || _ <- lists:seq(1, 10)],
    [{ok, _, _, _} = pgsql:prepare(One, "own", "select $1::int * 2") || One <- Many],
    60 = lists:sum([binary_to_integer(executed(One, "own", [N])) || N <- [1, 2], One <- Many]),
    step(),

    done(Db, "drop table erlang_t"),
    io:format("ok ~p~n", [get(steps)]),
    halt(0). % a connection that is terminated prints something, sooner or later

step() ->
    put(steps, case get(steps) of undefined -> 1; Steps -> Steps + 1 end).

done(Db, Query) ->
    {ok, [Tag]} = pgsql:squery(Db, Query),
    true = is_binary(Tag).

queried(Db, Query) ->
    {ok, [{_, _, [[Value]]}]} = pgsql:squery(Db, Query),
    Value.

executed(Db, Name, Values) ->
    {ok, {_, [[{_, Value}]]}} = pgsql:execute(Db, Name, Values),
    Value.
