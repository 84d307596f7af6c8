import asyncio
import torch
from src.iot_edge_anomaly.enterprise_robust_main import create_enterprise_robust_system

async def main():
    system = create_enterprise_robust_system()
    await system.initialize_system()
    result = await system.predict_anomaly(
        sensor_data=torch.randn(1, 10, 5),
        client_id="enterprise_client",
        return_explanations=True
    )
    status = await system.get_system_status()
    print(f"Prediction: {result['anomaly_score']}")
    print(f"System Health: {status['overall_health']['status']}")
    print(f"Security Status: {status['component_status']['security']['active_sessions']}")

if __name__ == "__main__":
    asyncio.run(main())
