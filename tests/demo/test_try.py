import time, cProfile, pstats
from datetime import datetime, UTC
from django.db import transaction
import pytest
pytestmark = pytest.mark.django_db
def test_it(tmp_path, settings):
    settings.VAR = tmp_path
    from config.demo.loading import load_demo_data
    from config.demo import loading
    t=time.time()
    p=cProfile.Profile(); p.enable()
    load_demo_data(at=datetime(2026,11,27,10,tzinfo=UTC))
    p.disable()
    print("load", time.time()-t)
    pstats.Stats(p).sort_stats("cumtime").print_stats("demo|publish|redeem|earn_many|claim", 25)
    from loyalty.models import *
    print(Publication.objects.count(), Redemption.objects.count(), Holdout.objects.count(), Claim.objects.count(), PointsPosting.objects.count(), Member.objects.filter(points__lt=0).count())
    from loyalty.reports.figures import figures_of
    c=Campaign.objects.get(key="review_gift_cards")
    print(figures_of([c.pk], at=datetime(2026,11,27,10,tzinfo=UTC)))
    from config.demo.removal import remove_demo_data
    from workspace.access import SYSTEM
    t=time.time(); print(remove_demo_data(actor=SYSTEM, at=datetime(2026,11,27,11,tzinfo=UTC))); print("remove", time.time()-t)
