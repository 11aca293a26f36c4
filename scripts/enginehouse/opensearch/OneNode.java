import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on loopback: its folder, the port for clients, the port for nodes. The runner has a main of its
 * own, which takes no port above 9299 and says nothing where it fails. */
public class OneNode {
    public static void main(String[] told) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner)));
        runner.setMaxHttpPort(65535);
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", told[1]);
            settings.put("transport.port", told[2]);
            settings.put("discovery.type", "single-node");
            // A machine with little room left is still good enough for tests.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
        // The runner counts ports and nodes from 1.
        int before = Integer.parseInt(told[1]) - 1;
        runner.build(OpenSearchRunner.newConfigs().basePath(told[0]).clusterName("hometrip").numOfNode(1)
                .baseHttpPort(before).useLogger());
        Thread.currentThread().join();
    }

    private static void close(OpenSearchRunner runner) {
        try {
            runner.close();
        } catch (Exception reason) {
            reason.printStackTrace();
        }
    }
}
