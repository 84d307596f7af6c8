"""All pages, in the order of the navigation."""

from iot_edge_anomaly.console.pages import alarm, alarms, asset, assets, budget, connect, overview, system

PAGES = (overview.SPEC, alarms.SPEC, assets.SPEC, budget.SPEC, connect.SPEC, system.SPEC, alarm.SPEC, asset.SPEC)
