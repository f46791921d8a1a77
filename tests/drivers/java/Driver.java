// JDBC through the pooler. Takes a JDBC URL, user and password; says what failed and ends with 1.

import java.io.StringReader;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;

public class Driver {
    interface Work {
        void on(Connection connection) throws Exception;
    }

    static String url;
    static String user;
    static String password;

    static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection(url + options, user, password);
    }

    static void with(String options, Work work) throws Exception {
        try (Connection connection = connect(options)) {
            work.on(connection);
        }
    }

    static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void fails(String state, Work work, Connection connection) throws Exception {
        try {
            work.on(connection);
        } catch (SQLException error) {
            check(state.equals(error.getSQLState()), error.getSQLState() + " instead of " + state + ": " + error);
            return;
        }
        throw new AssertionError("no error " + state);
    }

    static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static String ask(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            return rows.next() ? rows.getString(1) : null;
        }
    }

    static int plus(PreparedStatement statement, int value) throws SQLException {
        statement.setInt(1, value);
        try (ResultSet rows = statement.executeQuery()) {
            rows.next();
            return rows.getInt(1);
        }
    }

    static void values() throws Exception {
        with("", connection -> {
            String sql = "select ?::int8, ?::text, ?::bytea, ?::numeric, ?::date, ?::bool, ?::int4";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int at = 0; at < 12; at++) { // text first, binary after prepareThreshold
                    statement.setLong(1, 1L << 40);
                    statement.setString(2, "ü€");
                    statement.setBytes(3, new byte[] {0, (byte) 255});
                    statement.setBigDecimal(4, new java.math.BigDecimal("12.50"));
                    statement.setDate(5, Date.valueOf("2024-02-29"));
                    statement.setBoolean(6, true);
                    statement.setNull(7, java.sql.Types.INTEGER);
                    try (ResultSet rows = statement.executeQuery()) {
                        check(rows.next(), "a row");
                        check(rows.getLong(1) == 1L << 40, "int8");
                        check(rows.getString(2).equals("ü€"), "text");
                        check(rows.getBytes(3)[1] == (byte) 255, "bytea");
                        check(rows.getBigDecimal(4).toString().equals("12.50"), "numeric");
                        check(rows.getDate(5).equals(Date.valueOf("2024-02-29")), "date");
                        check(rows.getBoolean(6), "bool");
                        check(rows.getObject(7) == null, "null");
                    }
                }
            }
        });
    }

    static void preparedStatements() throws Exception {
        with("&prepareThreshold=1", connection -> {
            for (int round = 0; round < 20; round++) {
                try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1")) {
                    for (int at = 0; at < 5; at++) {
                        check(plus(statement, at) == at + 1, "a prepared sum");
                    }
                }
            }
            for (int at = 0; at < 300; at++) { // more than are kept
                try (PreparedStatement statement = connection.prepareStatement("select ?::int + " + at)) {
                    check(plus(statement, 1) == at + 1, "one of many");
                }
            }
        });
    }

    static void transactions() throws Exception {
        with("", connection -> {
            run(connection, "create table jdbc_things (a int)");
            connection.setAutoCommit(false);
            try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_things values (?)")) {
                for (int at = 0; at < 10; at++) {
                    insert.setInt(1, at);
                    insert.executeUpdate();
                }
                connection.rollback();
                insert.setInt(1, 7);
                insert.executeUpdate();
                Savepoint savepoint = connection.setSavepoint();
                fails("22012", one -> run(one, "select 1 / 0"), connection);
                fails("25P02", one -> run(one, "select 1"), connection);
                connection.rollback(savepoint);
                insert.setInt(1, 8);
                insert.executeUpdate();
                connection.commit();
            }
            check(ask(connection, "select string_agg(a::text, ',') from jdbc_things").equals("7,8"), "rows");
            connection.rollback();
            connection.setReadOnly(true);
            fails("25006", one -> run(one, "delete from jdbc_things"), connection);
            connection.rollback();
            connection.setReadOnly(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            check(ask(connection, "show transaction_isolation").equals("serializable"), "isolation");
            connection.rollback();
            connection.setAutoCommit(true);
            run(connection, "drop table jdbc_things");
        });
    }

    static void errors() throws Exception {
        with("&prepareThreshold=1", connection -> {
            try (PreparedStatement statement = connection.prepareStatement("select 1 / ?::int")) {
                for (int at = 0; at < 10; at++) {
                    fails("22012", one -> plus(statement, 0), connection);
                    check(plus(statement, 1) == 1, "after an error");
                }
            }
            fails("42P01", one -> run(one, "select * from nowhere"), connection);
            fails("42601", one -> run(one, "selec"), connection);
            check(ask(connection, "select 42").equals("42"), "after errors");
        });
    }

    static void batches() throws Exception {
        with("", connection -> {
            run(connection, "create table jdbc_batch (a int primary key)");
            try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_batch values (?)")) {
                for (int round = 0; round < 3; round++) {
                    for (int at = 0; at < 1000; at++) {
                        insert.setInt(1, round * 1000 + at);
                        insert.addBatch();
                    }
                    check(insert.executeBatch().length == 1000, "counts");
                }
                for (int at = 2998; at < 3003; at++) {
                    insert.setInt(1, at);
                    insert.addBatch();
                }
                try {
                    insert.executeBatch();
                    throw new AssertionError("no error of the batch");
                } catch (BatchUpdateException error) {
                    check("23505".equals(error.getSQLState()), error.getSQLState());
                }
            }
            check(ask(connection, "select count(*) from jdbc_batch").equals("3000"), "rows");
            String sql = "insert into jdbc_batch values (9999)";
            try (PreparedStatement insert = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
                insert.executeUpdate();
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    check(keys.next() && keys.getInt(1) == 9999, "generated key");
                }
            }
            run(connection, "drop table jdbc_batch");
        });
    }

    static void cursors() throws Exception {
        with("", connection -> {
            connection.setAutoCommit(false);
            try (PreparedStatement statement = connection.prepareStatement("select generate_series(1, ?)")) {
                for (int round = 0; round < 8; round++) {
                    statement.setFetchSize(50);
                    statement.setInt(1, 500);
                    long sum = 0;
                    try (ResultSet rows = statement.executeQuery()) {
                        while (rows.next()) {
                            sum += rows.getInt(1);
                        }
                    }
                    check(sum == 125250, "sum");
                    connection.commit();
                }
            }
        });
    }

    static void copies() throws Exception {
        with("", connection -> {
            run(connection, "create table jdbc_copied (a int, b text)");
            var copy = connection.unwrap(PGConnection.class).getCopyAPI();
            StringBuilder text = new StringBuilder();
            for (int at = 0; at < 5000; at++) {
                text.append(at).append("\ttext ").append(at).append('\n');
            }
            check(copy.copyIn("copy jdbc_copied from stdin", new StringReader(text.toString())) == 5000, "copied in");
            fails("22P02", one -> copy.copyIn("copy jdbc_copied from stdin", new StringReader("x\ty\n")), connection);
            var out = new java.io.ByteArrayOutputStream();
            check(copy.copyOut("copy jdbc_copied to stdout", out) == 5000, "copied out");
            check(out.toString().equals(text.toString()), "the same text");
            run(connection, "drop table jdbc_copied");
        });
    }

    static void cancels() throws Exception {
        with("", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(5);
                fails("57014", one -> statement.execute("select pg_sleep(60)"), connection);
            }
            check(ask(connection, "select 1").equals("1"), "after a cancel");
        });
    }

    static void settings() throws Exception {
        with("&ApplicationName=jdbc", connection -> {
            run(connection, "set timezone to 'Asia/Tokyo'");
            connection.setClientInfo("ApplicationName", "other");
            for (int at = 0; at < 5; at++) {
                check(ask(connection, "show timezone").equals("Asia/Tokyo"), "timezone");
                check(ask(connection, "show application_name").equals("other"), "application_name");
            }
            connection.setSchema("information_schema");
            for (int at = 0; at < 5; at++) {
                check(connection.getSchema().equals("information_schema"), "schema");
            }
            check(connection.isValid(5), "valid");
            check(connection.getMetaData().getTables(null, "pg_catalog", "pg_class", null).next(), "meta data");
        });
    }

    static void one(int number) throws Exception {
        with("&prepareThreshold=2", connection -> {
            try (PreparedStatement statement = connection.prepareStatement("select ?::int + 1000 * " + number % 7)) {
                for (int at = 0; at < 20; at++) {
                    check(plus(statement, at) == at + 1000 * (number % 7), "its own answer");
                }
                connection.setAutoCommit(false);
                check(plus(statement, number) == number + 1000 * (number % 7), "in a transaction");
                run(connection, "select pg_sleep(0.001)");
                connection.commit();
            }
        });
    }

    static void manyThreads() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(20);
        List<Future<?>> all = new ArrayList<>();
        for (int number = 0; number < 40; number++) {
            int mine = number;
            all.add(threads.submit(() -> {
                one(mine);
                return null;
            }));
        }
        for (Future<?> each : all) {
            each.get();
        }
        threads.shutdown();
    }

    interface Case {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        user = arguments[1];
        password = arguments[2];
        java.util.Map<String, Case> cases = new java.util.LinkedHashMap<>();
        cases.put("values", Driver::values);
        cases.put("preparedStatements", Driver::preparedStatements);
        cases.put("transactions", Driver::transactions);
        cases.put("errors", Driver::errors);
        cases.put("batches", Driver::batches);
        cases.put("cursors", Driver::cursors);
        cases.put("copies", Driver::copies);
        cases.put("cancels", Driver::cancels);
        cases.put("settings", Driver::settings);
        cases.put("manyThreads", Driver::manyThreads);
        boolean failed = false;
        for (var each : cases.entrySet()) {
            try {
                each.getValue().run();
            } catch (Throwable error) {
                failed = true;
                System.err.print(each.getKey() + ": ");
                error.printStackTrace();
            }
        }
        if (failed) {
            System.exit(1);
        }
        System.out.println("ok " + cases.size());
    }
}
