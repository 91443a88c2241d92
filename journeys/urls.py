"""The pages of journeys outside the admin's own addresses, and those that receivers open."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
