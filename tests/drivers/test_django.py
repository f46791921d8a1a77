"""Django with psycopg2, as its documentation has it for poolers: no cursors of the server's."""

import threading

import django
import pytest
from django.conf import settings

if not settings.configured:
    settings.configure(USE_TZ=True, DATABASES={}, INSTALLED_APPS=[], DEFAULT_AUTO_FIELD="django.db.models.AutoField")
    django.setup()

from django.db import DatabaseError, IntegrityError, connections, models, transaction  # noqa: E402


class Thing(models.Model):
    name = models.CharField(max_length=50, unique=True)
    data = models.BinaryField()
    number = models.IntegerField(default=0)

    class Meta:
        app_label = "drivers"
        db_table = "django_thing"


@pytest.fixture
def database(place):
    connections.databases["app"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "app",
        "USER": "app",
        "PASSWORD": place.password,
        "HOST": "127.0.0.1",
        "PORT": place.port,
        "OPTIONS": {"sslmode": place.sslmode},
        "DISABLE_SERVER_SIDE_CURSORS": place.mode == "transaction",
    }
    connections.ensure_defaults("app")
    connections.prepare_test_settings("app")
    with connections["app"].schema_editor() as editor:
        editor.create_model(Thing)
    yield "app"
    with connections["app"].schema_editor() as editor:
        editor.delete_model(Thing)
    connections.close_all()
    del connections["app"]
    del connections.databases["app"]


def test_models(database):
    things = Thing.objects.using(database)
    everything = bytes(range(256))
    things.bulk_create([Thing(name=f"Größe {i} 🐘", data=everything, number=i) for i in range(100)])
    assert things.get(number=7).name == "Größe 7 🐘" and bytes(things.get(number=7).data) == everything
    assert [t.number for t in things.order_by("number").iterator(chunk_size=10)] == list(range(100))
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=database):
        things.all().delete()
        raise ZeroDivisionError
    assert things.count() == 100
    with transaction.atomic(using=database):
        with pytest.raises(IntegrityError), transaction.atomic(using=database):  # a savepoint
            things.create(name="Größe 1 🐘", data=b"")
        things.filter(number=1).update(number=models.F("number") + 1000)
    assert things.get(name="Größe 1 🐘").number == 1001
    with pytest.raises(DatabaseError), connections[database].cursor() as cursor:
        cursor.execute("select 1 / 0")
    assert things.aggregate(total=models.Sum("number"))["total"] == sum(range(100)) + 1000


def test_many_threads(database):
    thing = Thing.objects.using(database).create(name="counter", data=b"")
    failures = []

    def count():
        try:
            for _ in range(10):
                with transaction.atomic(using=database):
                    one = Thing.objects.using(database).select_for_update().get(pk=thing.pk)
                    one.number += 1
                    one.save(using=database)
        except DatabaseError as failure:
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    assert Thing.objects.using(database).get(pk=thing.pk).number == 80


def test_query_that_is_cancelled(database, place):
    connection = connections[database]
    connection.ensure_connection()
    running = connection.connection

    def cancel():
        place.wait_for_sleep()
        running.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(DatabaseError) as refused, connection.cursor() as cursor:
        cursor.execute("select pg_sleep(60)")
    canceller.join()
    assert refused.value.__cause__.pgcode == "57014"
    assert Thing.objects.using(database).count() == 0
