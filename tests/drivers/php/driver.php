<?php
// PDO and the pgsql functions.
$steps = 0;
function same($got, $expected, $what) {
    global $steps;
    if ($got !== $expected) {
        fwrite(STDERR, "$what: got " . var_export($got, true) . ", expected " . var_export($expected, true) . "\n");
        exit(1);
    }
    $steps++;
}

[, $place, $user, $password] = $argv;
$pdo = new PDO("pgsql:$place", $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$sum = $pdo->prepare('select ?::int + ?::int');
$total = 0;
for ($i = 1; $i <= 20; $i++) {
    $sum->execute([$i, 1]);
    $total += $sum->fetchColumn();
}
same($total, 230, 'a statement that is prepared once');

$pdo->exec('drop table if exists php_t');
$pdo->exec('create table php_t (a int primary key, b text, c bytea)');
$insert = $pdo->prepare('insert into php_t values (:a, :b, :c)');
$pdo->beginTransaction();
for ($i = 1; $i <= 10; $i++) {
    $insert->bindValue('a', $i, PDO::PARAM_INT);
    $insert->bindValue('b', "Größe $i 🐘");
    $insert->bindValue('c', "\0\1\xff", PDO::PARAM_LOB);
    $insert->execute();
}
$pdo->commit();
same($pdo->query('select b from php_t where a = 7')->fetchColumn(), 'Größe 7 🐘', 'letters of many alphabets');
same($pdo->query('select length(c) from php_t where a = 7')->fetchColumn(), 3, 'bytes');
$pdo->beginTransaction();
$pdo->exec('delete from php_t');
$pdo->rollBack();
same($pdo->query('select count(*) from php_t')->fetchColumn(), 10, 'a transaction that is rolled back');
try {
    $insert->execute(['a' => 1, 'b' => 'again', 'c' => null]);
} catch (PDOException $error) {
    same($error->getCode(), '23505', 'an error of a prepared statement');
}
$sum->execute([20, 22]);
same($sum->fetchColumn(), 42, 'and on it goes');
$emulated = new PDO("pgsql:$place", $user, $password, [PDO::ATTR_EMULATE_PREPARES => true]);
$quoted = $emulated->prepare('select ?::text');
$quoted->execute(["it's"]);
same($quoted->fetchColumn(), "it's", 'prepared in the client');

$pg = pg_connect(str_replace(';', ' ', $place) . " user=$user password='$password'");
pg_prepare($pg, 'twice', 'select $1::int * 2');
same(pg_fetch_result(pg_execute($pg, 'twice', [21]), 0, 0), '42', 'pg_prepare');
same(pg_copy_from($pg, 'php_t', ["100\tcopied\t\\N\n", "101\tcopied\t\\N\n"]), true, 'copy in');
same(count(pg_copy_to($pg, 'php_t')), 12, 'copy out');

$many = [];
for ($i = 0; $i < 20; $i++) {
    $many[] = (new PDO("pgsql:$place", $user, $password))->prepare('select ?::int * 2');
}
$doubled = 0;
for ($round = 1; $round <= 3; $round++) {
    foreach ($many as $one) {
        $one->execute([$round]);
        $doubled += $one->fetchColumn();
    }
}
same($doubled, 240, 'many connections');
$pdo->exec('drop table php_t');
echo "ok $steps\n";
