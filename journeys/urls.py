"""The pages of journeys outside the admin's own addresses, and those that receivers open."""

from django.urls import URLPattern, URLResolver, path

from journeys.messages import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<str:token>.gif", pages.opened, name="message_opened"),
    path("c/<str:token>", pages.clicked, name="message_clicked"),
    path("m/<str:token>/", pages.view, name="message_view"),
    path("u/<str:token>/", pages.unsubscribe, name="message_unsubscribe"),
    path("preferences/<str:token>/", pages.preference_page, name="message_preferences"),
]
